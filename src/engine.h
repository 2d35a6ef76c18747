/* The one door through which preload/ comes in.
 *
 * Every function may be called at any time: before constructors, by the loader, in signal handlers, in fork children, while
 * threads end and after exit handlers began. errno is left as it was unless said otherwise. */
#ifndef MIDDEN_ENGINE_H
#define MIDDEN_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"
#include "trace/capture.h"

#define ENGINE_ZERO 1u      /* the block's bytes shall be zero */
#define ENGINE_ROOMY 2u     /* the block is likely to grow: an eighth of its size may be left free behind it */

#define ENGINE_NO_SIZE SIZE_MAX

/* A block of `size` bytes aligned to `align` (a power of two; 0: 16). NULL: no memory or a size above PTRDIFF_MAX; errno is not
 * set: the interposer does that. A size above PTRDIFF_MAX is a finding (bad-allocation-size). */
void *engine_alloc(size_t size, size_t align, enum record_allocator call, unsigned flags, const struct capture_start *from);

/* The same with align and flags 0. frame: CAPTURE_FRAME() of the interposer. */
void *engine_alloc_plain(size_t size, enum record_allocator call, const struct capture_frame *frame);

/* Takes a block back. NULL is fine. size, align: what a sized or aligned deallocation named (ENGINE_NO_SIZE, 0: nothing). */
void engine_free(void *block, enum record_allocator call, size_t size, size_t align, const struct capture_start *from);

/* The same where the call named no size and no alignment. */
void engine_free_plain(void *block, enum record_allocator call, const struct capture_frame *frame);

/* realloc: *moved is the result. Returns false when memory ran out (the old block stays) or `block` was bad (a finding). */
bool engine_realloc(void *block, size_t size, enum record_allocator call, const struct capture_start *from, void **moved);

/* Size asked for; 0 for NULL and for what is no living block. */
size_t engine_usable_size(const void *block);

/* calloc or reallocarray whose product overflows: a finding. */
void engine_overflowed(size_t count, size_t size, enum record_allocator call, const struct capture_start *from);

/* realloc to no bytes, which frees here and elsewhere does not: a note. */
void engine_resized_to_zero(enum record_allocator call, const struct capture_start *from);

/* malloc_trim: bytes given back to the kernel. */
size_t engine_trim(void);

struct engine_stats {
    uint64_t live_bytes, live_blocks, peak_bytes, mapped_bytes, free_bytes, huge_bytes, huge_blocks;
};
void engine_stats(struct engine_stats *stats);

/* The library's constructor and the functions around it. */
void engine_start(void);                /* idempotent; also called by the first allocation. Reads options, sets up everything that needs no loader */
void engine_open_libraries(void);       /* from the constructor: what needs a libc that is ready */
bool engine_started(void);

/* Where each allocation call is entered: addresses[RECORD_ALLOCATORS], kept by the caller for good. */
void engine_set_entry_points(const uint64_t *addresses);

/* The program has a malloc of its own in front of ours: what that one gives out is not covered. */
void engine_note_other_heap(void);

/* Does the module that `address` lies in define the dynamic symbol `name` itself? 1: yes; 0: no; -1: there is no telling. */
int engine_module_defines(const void *address, const char *name);

/* false: nothing that is loaded (behind the module that `behind` lies in; NULL: at all) defines `name`; dlsym, which allocates where it
 * finds nothing, need not be asked. */
bool engine_defined_somewhere(const char *name, const void *behind);

/* The stack at `from` as an id of the depot; 0: none. */
uint32_t engine_capture(const struct capture_start *from);

/* Threads. [stack_start, stack_end): the stack that the program supplied; both 0: it did not. */
void engine_thread_start(uint32_t create_stack, uint32_t creator, uintptr_t stack_start, uintptr_t stack_end);
void engine_thread_end(void);
uint32_t engine_thread_index(void);
void engine_thread_renamed(void);         /* the calling thread */
void engine_other_thread_renamed(void);

/* true: the caller is a signal handler that interrupted the engine on this thread, which may hold its locks. */
bool engine_interrupted(void);

/* The thread is about to enter a seccomp filter, which may forbid what the engine can do without. filter: as for sandbox_enter() (base). Returns
 * what engine_after_sandbox() takes when the kernel has answered. entered: it took the filter. */
struct sandbox;
struct sandbox *engine_before_sandbox(const void *filter);
void engine_after_sandbox(struct sandbox *sandbox, bool entered);

/* fork, by handlers registered before all others. */
void engine_fork_prepare(void);
void engine_fork_parent(void);
void engine_fork_child(void);

/* The end of the image. how: enum record_end. from: where the program asked for it; NULL: main returned. Called once per image;
 * reports through the agent. Returns the exit status to end with (`status` itself unless something gates and no `midden run`
 * is there to say so). */
int engine_end(enum record_end how, int status, const struct capture_start *from);

/* true: the caller is to end the image, and calls engine_end(); false: this thread is doing so already, further down its stack. Where
 * another thread is, it does not return. */
bool engine_claim_end(void);

/* Right before engine_end(), from exit(): true if libc and libstdc++ shall release what they keep for themselves, so that it does
 * not show: leaks are looked for, no other thread runs, and the caller is no signal handler that interrupted the engine. */
bool engine_may_release(void);

/* Main's caller: its frame address, so that main's dead frame can be told from living ones. */
void engine_main_entered(uintptr_t frame);
void engine_main_returned(void);

/* exit() was called by the program on this thread: the stack from the caller's frame up is alive, what exit itself and its handlers
 * put below is not. Called from the interposer of exit, which stays on the stack. */
void engine_exit_called(const struct capture_start *from);

/* The process is about to exec (not in a vfork child). */
void engine_before_exec(void);

/* ---- what a program may ask (midden.h, and LeakSanitizer's calls) -------------------------------------------------------- */

/* Figures of a leak check: enum order definite, indirect, possible, reachable, suppressed. */
#define ENGINE_LEAK_KINDS 5
struct engine_leaks {
    uint64_t bytes[ENGINE_LEAK_KINDS], blocks[ENGINE_LEAK_KINDS];
    int end_status;             /* the exit status that the leaks would give the program; 0: they are no reason for one */
};

/* A leak check now. mode: enum wire_check. figures may be NULL. Returns the number of gating leak records that were looked for,
 * -1: no report could be made. */
int engine_leak_check(unsigned mode, struct engine_leaks *figures);

/* The one leak check of this image has been made, or is not wanted: none at the end. wish: enum record_wish. */
void engine_wish(unsigned wish);

/* What the program and LSAN_OPTIONS say in LeakSanitizer's option syntax, and its suppressions; NULL: nothing. Copied. */
void engine_program_options(const char *options, const char *suppressions);

/* Shows what is known about an address. false: no report could be made. */
bool engine_describe(const void *address);

/* The living block around an address is meant to stay, and what it leads to. false: there is none. */
bool engine_mark_intended(const void *address);

/* Between these two the blocks that the calling thread allocates are meant to stay. Nests. */
void engine_leaks_disable(void);
void engine_leaks_enable(void);

/* Gives the living block around an address (or the pool of this anchor) a name, which reports show. false: there is none. */
bool engine_name(const void *address, const char *text);

/* Pools (engine/objects.c). false: nothing was done: no such pool or object (a finding), there already, or no memory. */
bool engine_pool_create(const void *anchor, size_t redzone, unsigned flags, const struct capture_start *from);
bool engine_pool_destroy(const void *anchor, const struct capture_start *from);
bool engine_pool_exists(const void *anchor);
bool engine_pool_move(const void *anchor, const void *to, const struct capture_start *from);
bool engine_pool_alloc(const void *anchor, const void *address, size_t size, const struct capture_start *from);
bool engine_pool_free(const void *anchor, const void *address, const struct capture_start *from);
bool engine_pool_change(const void *anchor, const void *old, const void *address, size_t size, const struct capture_start *from);
bool engine_pool_trim(const void *anchor, const void *start, size_t bytes, const struct capture_start *from);
bool engine_block_alloc(const void *address, size_t size, const struct capture_start *from);
bool engine_block_resize(const void *address, size_t size, const struct capture_start *from);
bool engine_block_free(const void *address, const struct capture_start *from);

/* Memory that counts as a root of leak checks until it is withdrawn, as often as it was added. false: bytes is 0, there is no memory
 * for another entry, or no such entry. */
bool engine_root_add(const void *start, size_t bytes);
bool engine_root_remove(const void *start, size_t bytes);

/* A dump to `path`, now; "": where --dump-file says. The program goes on meanwhile, the caller waits. Returns 0 or a negated errno:
 * the agent has said what failed. */
int engine_dump(const char *path);

/* Between these two, what the calling thread allocates is the tool's own (RECORD_FLAG_OWN). Nests. */
void engine_internal_begin(void);
void engine_internal_end(void);

/* How often a park (a stop for a snapshot) ended a system call of the calling thread with EINTR while no signal of the program did:
 * an interposer of an interruptible call compares before and after, and goes on with the call. */
uint32_t engine_park_count(void);

/* The same of parks after which a call may have done less than it was asked to: part of a write, say. */
uint32_t engine_short_park_count(void);

/* The park signal's number, 0: none. The interposers keep it out of the masks that reach the kernel. */
int engine_park_signal(void);

/* A signal that the program leaves alone and the engine uses under a debugger; 0: none (any more). The program sees it as it set it, or
 * as not set. engine_quiet_stop: the program is about to set a handler for it: from now on it is the program's. */
int engine_quiet_signal(void);
void engine_quiet_stop(void);

/* Fault signals are the engine's in the kernel and the program's in what it sees. true: `signal` is one of them; then sigaction on it goes
 * to engine_sigaction (new, old: struct sigaction or NULL), and it is kept out of the masks that reach the kernel, but for
 * SIGABRT. */
bool engine_takes_signal(int signal);
void engine_sigaction(int signal, const void *new, void *old);
/* true: `signal` ends a program that leaves it at its default, and the engine takes it meanwhile, for the last report. sigaction on it goes
 * to engine_ending_action, which hands everything but SIG_DFL on to `real`; engine_ending_seen turns what the kernel has into what
 * the program set. */
bool engine_ends_by(int signal);
struct sigaction;
int engine_ending_action(int signal, const struct sigaction *new, struct sigaction *old,
                         int (*real)(int, const struct sigaction *, struct sigaction *));
void engine_ending_seen(int signal, struct sigaction *action);
/* true: the alternate stack at `start` is the engine's, and the program has none. */
bool engine_owns_sigstack(const void *start);

/* true: descriptor fd is the engine's own. */
bool engine_owns_fd(int fd);
/* true: pid is a child that the engine made and the program's wait family must pass over. */
bool engine_owns_pid(int pid);
/* The program's wait has met such a child. */
void engine_reaped_pid(int pid);

/* The children's environment: LD_PRELOAD entry, options and agent name as the tool wants them in an exec'ed program that
 * follows. NULL where there is none. Fixed after engine_start. */
struct engine_child_env {
    const char *library;        /* absolute path of libmidden.so, for LD_PRELOAD */
    const char *options;        /* value of MIDDEN_OPTIONS */
    const char *agent;          /* value of MIDDEN_AGENT */
    bool follow;                /* --follow-children */
};
const struct engine_child_env *engine_child_env(void);

/* ---- checked calls ------------------------------------------------------------------------------------------------------
 *
 * An interposer asks engine_may_be_heap() first, which is all that a pointer to other memory costs; only then one of the functions
 * below. They do nothing when the calling thread is inside the engine already (a signal handler that interrupted it). */

/* All memory that holds blocks, page guards included, lies in [low, high). Both 0 when calls are not checked (profile); else they
 * only ever grow apart, from (UINTPTR_MAX, 1) on. Atomic. An address on the stack is one less than `stack` bytes above the caller
 * of engine_on_stack(). */
struct engine_bounds {
    uintptr_t low, high;
    uintptr_t stack;            /* bytes above a frame that are taken for its stack */
    uint32_t objects;           /* 1: there is, or was, an object that the program placed itself, maybe in a block; atomic */
};
extern struct engine_bounds engine_bounds __attribute__((visibility("hidden")));
#define ENGINE_FRONT 16         /* where calls are checked: from a slot's first byte to its block's */

static inline bool engine_may_be_heap(const void *address)
{
    return (int)((uintptr_t)address >= __atomic_load_n(&engine_bounds.low, __ATOMIC_RELAXED))
         & (int)((uintptr_t)address < __atomic_load_n(&engine_bounds.high, __ATOMIC_RELAXED));
}
/* The stack pointer, of a function that need not have a frame of its own. */
static inline __attribute__((always_inline)) uintptr_t engine_stack_pointer(void)
{
#if defined(__x86_64__)
    uintptr_t sp;
    __asm__("mov %%rsp, %0" : "=r"(sp));
    return sp;
#elif defined(__aarch64__)
    uintptr_t sp;
    __asm__("mov %0, sp" : "=r"(sp));
    return sp;
#else
    return (uintptr_t)__builtin_frame_address(0);
#endif
}
static inline __attribute__((always_inline)) bool engine_on_stack(const void *address)
{
    return (uintptr_t)address - engine_stack_pointer() < __atomic_load_n(&engine_bounds.stack, __ATOMIC_RELAXED);
}
static inline bool engine_checks_calls(void) { return __atomic_load_n(&engine_bounds.high, __ATOMIC_RELAXED) != 0; }

/* An interposed function, as findings name it. One per function, zero but for the name. */
struct engine_call {
    const char *name;
    uint64_t reference;         /* of the name in the records, once it was needed; atomic */
};

/* Bytes that may be touched from `address` on: up to the end of its living block; 0: `address` is in a freed block or outside the
 * one whose slot it lies in; ENGINE_NO_SIZE: nothing is known about that memory. */
size_t engine_room(const void *address);

/* The call is about to read or write [start, start + n). What lies outside a living block there is a finding; then page guards in
 * the range are opened, so that the call does what it would have done. */
void engine_check_range(struct engine_call *call, enum record_access access, const void *start, size_t n,
                        const struct capture_start *caller);

/* The same of an address on the calling thread's stack: up to the return address of the function in whose frame it lies. */
size_t engine_stack_room(const void *address, const struct capture_start *caller);

/* The call is about to write [start, start + n) on the calling thread's stack, the bytes that `content` has (NULL: not known). Across a return
 * address that is a finding, unless there are return addresses among them: then a stack is being copied. */
void engine_check_stack(struct engine_call *call, const void *start, size_t n, const void *content, const struct capture_start *caller);

/* The call copies bytes[n] between places that must not overlap, if they do: a finding. Equal addresses are none. */
void engine_check_overlap(struct engine_call *call, const void *to, size_t to_bytes, const void *from, size_t from_bytes,
                          const struct capture_start *caller);

/* The call sends start[n], which was checked, out of the process: heap bytes that were never written are a finding, with
 * --check-output=yes. */
void engine_check_output(struct engine_call *call, const void *start, size_t n, const struct capture_start *caller);

#endif
