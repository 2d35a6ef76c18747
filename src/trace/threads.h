/* The registry of threads (struct record_thread) and what each thread keeps for itself. */
#ifndef MIDDEN_TRACE_THREADS_H
#define MIDDEN_TRACE_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"

struct capture_memo;    /* of trace/capture.c */
struct quarantine_own;  /* of check/quarantine.c */

/* What a thread keeps for itself; lies in the tool's own memory, only a pointer to it is in thread-local storage. */
struct thread_state {
    struct record_thread *record;
    uint32_t index;                 /* what block records and findings say: the record's place in RECORD_TABLE_THREADS, or
                                       THREADS_NOT_KEPT when that does not fit 16 bits or there is none */
    uint32_t depth;                 /* >0: inside the tool, entered this often; captures and findings are not made again */
    uint32_t internal;              /* >0: what is allocated now is on the tool's behalf */
    bool in_capture;
    bool deferred;                  /* frees of this thread's were put off (engine/deferred) */
    uintptr_t capture_sp;           /* stack pointer of the capture under way */
    bool shared;                    /* the state of threads that got none of their own: never captures, has no magazines */
    uint32_t sequence, sequence_end;/* batch of allocation numbers left */
    bool long_run;                  /* what busy sites allocate in this batch is held long once it is freed (check/quarantine.h) */
    int64_t live_delta;             /* bytes not yet folded into anchor.live_bytes */
    int64_t fold_above;             /* it is folded when it becomes more: a new peak, or a batch */
    int64_t blocks_delta;
    void *magazines;                /* the heap's word for this thread */
    struct capture_memo *memo;
    uint64_t memo_modules;          /* modules_now() while the memo is good; 0: never, as when another thread takes the state over */
    struct quarantine_own *quarantine;
    struct inside *inside;          /* blocks that checked calls met lately (engine/inside.h); NULL: none yet */
    struct guard_step *step;        /* instructions that are let past a page guard (engine/step.c); NULL: none yet */
    void *sigstack;                 /* stack of the tool's handlers, and its size */
    size_t sigstack_bytes;
    int64_t sample_left;            /* bytes to allocate until the next sampled stack (profile production) */
    uint64_t random;                /* state of a generator for sampling */
    uint32_t park_word;             /* futex: the generation of the park request it has answered */
    uint32_t park_asked;            /* the generation of the park request that it was sent a signal for, */
    int park_asked_by;              /* and which */
    uint32_t ignore_depth;          /* __lsan_disable nesting */
    uintptr_t stack_low, stack_high;/* part of the thread's own stack known to be readable (capture) */
    uintptr_t other_low, other_high;/* the same of another stack it ran on last (signal stack, coroutine) */
    struct thread_state *next;      /* all states, living or not; linked once, never unlinked */
};

#define THREADS_NOT_KEPT 65535u

/* Thread-local, initial-exec: no call to __tls_get_addr. */
extern _Thread_local struct thread_state *thread_self_pointer __attribute__((tls_model("initial-exec"), visibility("hidden")));

bool threads_init(void);                        /* registers the main thread; false: no memory (all threads share a state) */
struct thread_state *threads_register(void);    /* the calling thread, on its first use; never NULL (a shared state for unregistrable threads) */
static inline struct thread_state *threads_self(void)
{
    struct thread_state *self = thread_self_pointer;
    return __builtin_expect(self != NULL, 1) ? self : threads_register();
}

/* Called in the new thread before the program's start routine, and when it ends. create_stack: where pthread_create was called.
 * [stack_start, stack_end): the stack that the program supplied; both 0: it did not.
 * What the thread does after threads_ended (destructors of thread-local data) still works and is counted. Its state is used
 * for another thread only when the kernel does not know it any more; its record stays. */
void threads_started(uint32_t create_stack, uint32_t creator, uintptr_t stack_start, uintptr_t stack_end);
void threads_ended(void);

/* Called on each thread that is not in the registry before it enters (about_to: true), and when it has (false), with no lock held. It must not
 * ask for the thread's state in the first case. */
void threads_on_enter(void (*enter)(bool about_to));

/* The kernel's name of the calling thread changed, or is asked for again. */
void threads_rename(void);

/* One of the other threads was given another name: finds out which, from /proc. */
void threads_rename_other(void);

/* Adds the record's counters to the anchor's and sets them to 0. A reader adds up the anchor's and those of ALL records. */
void threads_fold(struct record_thread *record);

/* Number of threads running now, the caller included. */
extern uint32_t threads_count __attribute__((visibility("hidden")));       /* atomic */
static inline unsigned threads_running(void) { return __atomic_load_n(&threads_count, __ATOMIC_RELAXED); }

/* The same without the caller, who may have ended already as a thread. */
unsigned threads_others(void);

/* true: this process was forked from one that had other threads. */
bool threads_gone(void);

/* The first of all states (linked by next). Entries may belong to threads that have ended: see record->state. */
struct thread_state *threads_first(void);

/* Registers and stack of the calling thread at this point, into its record. low: where the scan of its stack starts. */
void threads_save_context(struct thread_state *self, uintptr_t low);

/* The same for a thread whose registers are all on its stack: only what an unwinder needs to begin in the caller of an interposed
 * function; the other registers read 0. */
struct capture_start;
void threads_save_start(struct thread_state *self, const struct capture_start *from, uintptr_t low);

void threads_fork_child(void);                  /* only the caller survives; the others are GONE */

#endif
