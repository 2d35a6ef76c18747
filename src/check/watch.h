/* Hardware watchpoints on what page guards leave open.
 *
 *      guard page │ data pages                                        │ guard page
 *                 │            zone [watched)│ the block │[watched) slack │          high side: overflow faults
 *                 │ the block │[watched)  slack and zone              │          low side: underflow faults
 *
 * There are four debug registers, so four such places at a time: those of the blocks allocated last among the first ones of their
 * sites, and of blocks of sites that have shown damage. */
#ifndef MIDDEN_CHECK_WATCH_H
#define MIDDEN_CHECK_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_REGISTERS 4

/* A block, and the stretch around it in which no other block lies (half-open). */
struct watch_subject {
    const char *address;
    size_t size;
    const char *low, *high;
};

/* What a watchpoint that was hit stands beside. */
struct watch_hit {
    struct watch_subject subject;
    const char *start;          /* the bytes watched, */
    unsigned bytes;             /* 1, 2, 4 or 8 of them */
    unsigned which;             /* its register, */
    uint64_t generation;        /* and what the register was last set for: they name it in watch_dropped() */
    uint64_t was;               /* the bytes as they were before, the first in the lowest byte */
};

/* wanted: --watchpoints, and there are page guards. Before anything else here. */
void watch_init(bool wanted);

/* Opens the registers. Before a second thread exists: a thread that is there already gets none of the watchpoints. taken: the signal of
 * a watchpoint (SIGTRAP) is ours; false: another has it, so there are none. */
void watch_open(bool taken);

/* A block was placed: its open sides are watched: by free registers, or by those that were set longest ago; the latter also of the time that is
 * kept for what is wanted. */
enum watch_priority { WATCH_IF_FREE, WATCH_NEWEST, WATCH_WANTED };
void watch_place(const struct watch_subject *subject, enum watch_priority priority);

/* false: watch_place would do nothing at this time. wanted: with WATCH_WANTED. */
bool watch_may(bool wanted);

/* Between calls, where no lock is held: clears registers that have been armed long enough. Mostly one compare. */
extern uint64_t watch_look_at __attribute__((visibility("hidden")));      /* time stamp of the processor; 0: no register is armed. Atomic */
void watch_look(void);
static inline void watch_tick(void)
{
#if defined(__x86_64__)
    uint64_t at = __atomic_load_n(&watch_look_at, __ATOMIC_RELAXED);
    if (__builtin_expect(at != 0, 0) && __builtin_ia32_rdtsc() >= at)
        watch_look();
#endif
}

/* The blocks that the registers stand beside; NULL: free. Atomic. */
extern const char *watch_blocks[WATCH_REGISTERS] __attribute__((visibility("hidden")));

void watch_take_away(const char *address);

/* The block at `address` is about to be freed, moved or compared: nothing beside it is watched any more. Cheap when nothing was. */
static inline void watch_remove(const char *address)
{
    if (__builtin_expect(!__atomic_load_n(&watch_look_at, __ATOMIC_RELAXED), 1))
        return;
    for (unsigned i = 0; i < WATCH_REGISTERS; i++)
        if (__builtin_expect(__atomic_load_n(&watch_blocks[i], __ATOMIC_RELAXED) == address, 0)) {
            watch_take_away(address);
            return;
        }
}

/* No watchpoints from now on; lost: for a reason that the coverage of the report must tell. */
void watch_stop(bool lost);

/* true: the signal is of a watchpoint of ours, now or earlier. Any context. */
bool watch_is_ours(const siginfo_t *info);

/* What the watchpoint of this signal stands beside; false: it has been moved since, or the signal came late. */
bool watch_of(const siginfo_t *info, struct watch_hit *hit);

/* Whether asking about a hit at this pc is still worth its time. What was no mistake at a place a few times will be none again, and
 * asking may take a share of the process's time only. */
bool watch_may_ask(uintptr_t pc);

/* The hit at pc was no mistake. asked_ns: nanoseconds that it took to know. */
void watch_dropped(const struct watch_hit *hit, uintptr_t pc, uint64_t asked_ns);

/* The hit at pc was a mistake and has been told. The watchpoint stays, for other places that make one there; it is not told again of this
 * one, which watch_was_told() knows and counts. */
void watch_told(const struct watch_hit *hit, uintptr_t pc);
bool watch_was_told(const struct watch_hit *hit, uintptr_t pc);

void watch_lock(void);
void watch_unlock(void);
/* In a fork child, the lock held: watchpoints are the parent's; the child opens its own. */
void watch_fork_child(void);

#endif
