/* Capture: the stack of the calling thread as a stack id.
 *
 * 1. A capture that starts on the thread's own stack asks the memo (memo.h) for the whole stack: when every word that the unwind
 *    depended on is still the same, the id is.
 * 2. Otherwise the stack is followed from where it differs from the last one (retrace.h).
 * 3. What is out of the ordinary (signal frames, foreign stacks, frames that need all registers) is walked without being
 *    remembered. Where a rule needs more than sp, fp and pc, the whole walk is done again with all registers (unwind.h).
 *
 * A signal handler that interrupts a capture and allocates gets stack id 0: what a capture keeps is not touched twice at once.
 *
 * In frames[] every frame is one word, its pc with its flags in the top bits.
 *
 * Limits: MAX_FRAMES frames whatever num_callers says. capture() uses less than 4 KiB of stack, for it runs on small signal stacks too. */
#include "trace/capture.h"

#include <signal.h>
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "trace/depot.h"
#include "trace/memo.h"
#include "trace/modules.h"
#include "trace/retrace.h"
#include "trace/stack.h"
#include "trace/threads.h"
#include "trace/unwind.h"
#include "trace/walk.h"

#define MAX_FRAMES 250      /* the largest num_callers */
#define LITTLE 32           /* frames of a stack that is captured without memory for a memo */

static uintptr_t frame_pc(uint64_t frame)
{
    return frame & ((1ull << RECORD_PC_BITS) - 1);
}

void capture_modules_changed(void)
{
    modules_suspect();
}

/* What a capture keeps belongs to its thread, which is the one that forked. */
void capture_fork_child(void)
{
}

/* ---- walks that are not remembered ------------------------------------------------------------------------------------------- */

/* The whole walk with all registers. */
static __attribute__((noinline)) unsigned walk_in_full(struct thread_state *self, const struct capture_start *start,
                                                       uint64_t *frames, unsigned max)
{
    bool ended;
    unsigned n = unwind_walk(self, start, frames, max, &ended);
    for (unsigned i = 0; i < n; i++)
        frames[i] = depot_frame(frame_pc(frames[i]), frames[i] >> 63 ? RECORD_NODE_EXACT_PC : 0);
    if (n && !ended)
        frames[n - 1] |= depot_frame(0, RECORD_NODE_TRUNCATED);
    return n;
}

/* Walks by rules to frames[max], innermost first; returns the frames. *full: a frame takes all registers. */
static unsigned walk_by_rules(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max,
                              bool *full)
{
    struct walk walk = {start->pc, start->sp, start->fp, start->exact, self, modules_epoch(), 0, 0};
    unsigned n = 0;
    enum step step;
    *full = false;
    if (!stack_enter(self, start->sp)) {
        frames[0] = depot_frame(start->pc, RECORD_NODE_TRUNCATED | (start->exact ? RECORD_NODE_EXACT_PC : 0));
        return 1;
    }
    do {
        if (n == max) {
            frames[n - 1] |= depot_frame(0, RECORD_NODE_TRUNCATED);
            return n;
        }
        frames[n++] = depot_frame(walk.pc, walk.exact ? RECORD_NODE_EXACT_PC : 0);
        step = walk_step(&walk);
    } while (step == STEP_CALLER);
    if (step != STEP_END) {
        frames[n - 1] |= depot_frame(0, RECORD_NODE_TRUNCATED);
        *full = step == STEP_FULL;
    }
    return n;
}

static unsigned walk_stack(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max)
{
    bool full;
    unsigned n = walk_by_rules(self, start, frames, max, &full);
    if (full) {
        unsigned better = walk_in_full(self, start, frames, max);
        if (better)
            return better;
        n = walk_by_rules(self, start, frames, max, &full);
    }
    return n;
}

static uint32_t intern_frames(const uint64_t *frames, unsigned n)
{
    uint64_t path = DEPOT_PATH_START;
    for (unsigned i = n; i > 0; i--)
        path = depot_path(path, frames[i - 1]);
    uint32_t node = depot_find(path);
    if (node)
        return node;
    for (unsigned i = n; i > 0; i--)
        if (!(node = depot_node_inside(node, frame_pc(frames[i - 1]), (unsigned)(frames[i - 1] >> DEPOT_FLAGS_SHIFT))))
            return 0;
    return node;
}

/* No memory for a memo: a few frames are better than none. */
static __attribute__((noinline)) uint32_t capture_little(struct thread_state *self, const struct capture_start *start,
                                                         unsigned max)
{
    uint64_t frames[LITTLE];
    return intern_frames(frames, walk_stack(self, start, frames, max < LITTLE ? max : LITTLE));
}

/* The frames go into the memo's room for a walk under way, for the stack may be a small one. */
static __attribute__((noinline)) uint32_t capture_plainly(struct thread_state *self, struct capture_memo *memo,
                                                          const struct capture_start *start, unsigned max)
{
    return intern_frames(memo->plain, walk_stack(self, start, memo->plain, max));
}

/* ---- the doors ---------------------------------------------------------------------------------------------------------------- */

/* A capture of this thread is under way, as it seems. One that a signal handler left by longjmp never ended: it is known by our
 * standing above it on the same stack, and not in a handler whose own stack may lie there too. What it was changing is
 * forgotten. false: it was interrupted by the handler that we are called from. */
static __attribute__((noinline)) bool begin_again(struct thread_state *self, uintptr_t sp)
{
    stack_t now = {.ss_flags = SS_ONSTACK};
    if (self->shared || sp <= self->capture_sp || !stack_is_own(self, sp) || !stack_is_own(self, self->capture_sp))
        return false;
    kernel_call(SYS_sigaltstack, 0, (long)&now, 0, 0, 0, 0);
    if (now.ss_flags & SS_ONSTACK)
        return false;
    self->memo_modules = 0;
    return true;
}

static inline void mark_begun(struct thread_state *self, uintptr_t sp)
{
    self->in_capture = true;
    self->capture_sp = sp;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* false: called by a signal handler that interrupted a capture. */
static inline bool begin(struct thread_state *self, uintptr_t sp)
{
    if (__builtin_expect(self->in_capture, 0) && !begin_again(self, sp))
        return false;
    mark_begun(self, sp);
    if (__builtin_expect(modules_are_suspect(), 0))
        modules_refresh();
    return true;
}

static inline void end(struct thread_state *self)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->in_capture = false;
}

static inline unsigned frame_limit(void)
{
    unsigned max = midden_anchor.num_callers;
    return max - 1 < MAX_FRAMES ? max : MAX_FRAMES;
}

static uint32_t taken(struct thread_state *self, uint32_t stack)
{
    end(self);
    if (__builtin_expect(!stack, 0))
        __atomic_add_fetch(&midden_anchor.lost_stacks, 1, __ATOMIC_RELAXED);
    return stack;
}

/* The capture was begun, and the memo does not have the stack, or cannot be asked for it. */
static __attribute__((noinline)) uint32_t capture_new(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start)
{
    uint32_t stack = 0;
    unsigned max = frame_limit();
    if (__builtin_expect(start->exact || !stack_is_own(self, start->sp), 0) || !retrace(self, memo, start, max, &stack))
        stack = capture_plainly(self, memo, start, max);
    return taken(self, stack);
}

/* The first of a thread, or since modules came or went, or one that a signal handler makes in the middle of another one. */
static __attribute__((noinline)) uint32_t capture_slowly(const struct capture_start *start)
{
    struct thread_state *self = threads_self();
    if (!begin(self, start->sp)) {
        __atomic_add_fetch(&midden_anchor.lost_stacks, 1, __ATOMIC_RELAXED);
        return 0;
    }
    struct capture_memo *memo = memo_of(self, modules_epoch(), midden_anchor.num_callers);
    return memo ? capture_new(self, memo, start) : taken(self, capture_little(self, start, frame_limit()));
}

uint32_t capture(const struct capture_start *start)
{
    struct thread_state *self = thread_self_pointer;
    if (__builtin_expect(!self, 0) || __builtin_expect(self->in_capture, 0))
        return capture_slowly(start);
    mark_begun(self, start->sp);
    struct capture_memo *memo = self->memo;
    if (__builtin_expect(!memo_is_good(self, modules_now(), midden_anchor.num_callers), 0)) {
        end(self);
        return capture_slowly(start);
    }
    uint32_t stack = __builtin_expect(!start->exact && stack_is_own(self, start->sp), 1) ? memo_find(memo, start) : 0;
    if (__builtin_expect(!stack, 0))
        return capture_new(self, memo, start);
    end(self);
    return stack;
}

unsigned capture_walk(const struct capture_start *start, int layer, uintptr_t *pcs, unsigned max)
{
    struct thread_state *self = threads_self();
    uint64_t frames[MAX_FRAMES];
    unsigned n = 0;
    bool full;
    if (max == 0 || !begin(self, start->sp))
        return 0;
    if (max > MAX_FRAMES)
        max = MAX_FRAMES;
    if (layer == 0)
        n = walk_stack(self, start, frames, max);
    else if (layer == 1)
        n = walk_by_rules(self, start, frames, max, &full);
    else if (stack_enter(self, start->sp))
        n = walk_in_full(self, start, frames, max);
    for (unsigned i = 0; i < n; i++)
        pcs[i] = frame_pc(frames[i]);
    end(self);
    return n;
}

/* Where the return address of the frame lies that a step has just left: `cfa` is where the walk stands now, `fp` what it was before. */
static inline uintptr_t return_slot(uintptr_t cfa, uintptr_t fp)
{
#if defined(__x86_64__)
    (void)fp;
    return cfa - sizeof(uintptr_t);
#else
    (void)cfa;
    return fp + sizeof(uintptr_t);
#endif
}

uintptr_t capture_return_slot(const struct capture_start *start, uintptr_t address)
{
    struct thread_state *self = threads_self();
    uintptr_t slot = 0;
    if (address < start->sp || !begin(self, start->sp))
        return 0;
    struct walk walk = {start->pc, start->sp, start->fp, start->exact, self, modules_epoch(), 0, 0};
    bool going = stack_enter(self, start->sp);
    for (unsigned n = 0; going && !slot && n < CAPTURE_FRAMES_SEARCHED; n++) {
        uintptr_t sp = walk.sp, fp = walk.fp;
        /* A signal's frame, or a step that leads down: what follows is not above this one. */
        going = walk_step(&walk) == STEP_CALLER && !walk.exact && walk.sp > sp;
        if (going && return_slot(walk.sp, fp) >= address)
            slot = return_slot(walk.sp, fp);
    }
    end(self);
    return slot;
}
