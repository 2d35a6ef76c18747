/* Capture: the call stack of the calling thread as a stack id.
 *
 * Layers, each sound by itself: a verified memo of whole stacks, a cache of unwind rules per pc, an unwinder with
 * all registers for the rest. */
#ifndef MIDDEN_TRACE_CAPTURE_H
#define MIDDEN_TRACE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

/* Where an unwind starts: the state in the caller of an interposed function, just after its call. */
struct capture_start {
    uintptr_t pc;       /* return address into the caller */
    uintptr_t sp;       /* the caller's stack pointer once the call has returned */
    uintptr_t fp;       /* the caller's frame pointer register (rbp, x29) */
    bool exact;         /* pc is of an interrupted instruction, not a return address */
    uint32_t stack;     /* the stack id, where it was captured already; 0: it was not */
};

/* CAPTURE_HERE(): filled in by a function that has a frame pointer (-fno-omit-frame-pointer) and makes no sibling call afterwards.
 * CAPTURE_FRAME(): the same as one pointer, good as long as that function has not returned, for hot paths that mostly do without;
 * capture_start_of() makes the struct of it. */
#if defined(__x86_64__)
struct capture_frame {
    uintptr_t fp, pc;   /* as call and prologue leave them at the frame's end; the caller's stack pointer is behind them */
};
#define CAPTURE_FRAME() ((const struct capture_frame *)__builtin_frame_address(0))
static inline struct capture_start capture_start_of(const struct capture_frame *frame)
{
    return (struct capture_start){frame->pc, (uintptr_t)(frame + 1), frame->fp, false, 0};
}
#define CAPTURE_HERE() capture_start_of(CAPTURE_FRAME())
#elif defined(__aarch64__)
struct capture_frame {
    uintptr_t pc, sp, fp;
};
#define CAPTURE_FRAME() (&(const struct capture_frame){                                              \
        (uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0)),                       \
        (uintptr_t)__builtin_dwarf_cfa(), *(const uintptr_t *)__builtin_frame_address(0)})
static inline struct capture_start capture_start_of(const struct capture_frame *frame)
{
    return (struct capture_start){frame->pc, frame->sp, frame->fp, false, 0};
}
#define CAPTURE_HERE() capture_start_of(CAPTURE_FRAME())
#else
#error "midden knows x86-64 and aarch64; add the frame layout of this architecture here"
#endif

/* The stack that starts at `start`, as an id of the depot (index of its innermost node); 0: none could be taken (no memory, or
 * called from within itself by a signal handler). It may have more than anchor.num_callers frames: who reads it stops there. */
uint32_t capture(const struct capture_start *start);

/* The same, for a call that is told of twice (realloc takes a block and gives one back). */
static inline uint32_t capture_once(const struct capture_start *start)
{
    return __builtin_expect(start->stack != 0, 0) ? start->stack : capture(start);
}

/* The same walk written to pcs[max], innermost first, for tests: returns the frames. By which layer: 0 best, 1 rule cache only,
 * 2 all registers, no cache. */
unsigned capture_walk(const struct capture_start *start, int layer, uintptr_t *pcs, unsigned max);

/* The lowest place above `address`, which lies on the stack of the calling thread, where the return address of one of the functions
 * from `start` outwards is kept: what is written beyond that is no longer the frame that `address` lies in. 0: not known (a frame
 * without simple rules, another stack, or more than CAPTURE_FRAMES_SEARCHED frames away). */
#define CAPTURE_FRAMES_SEARCHED 64
uintptr_t capture_return_slot(const struct capture_start *start, uintptr_t address);

/* The caches may be stale: a module was or may have been unloaded. Cheap; the work is done at the next capture. */
void capture_modules_changed(void);

/* In a fork child. */
void capture_fork_child(void);

#endif
