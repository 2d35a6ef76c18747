/* Capture: the stack of the calling thread as a stack id.
 *
 * 1. Walk by rules (walk.h) from the frame that the interposer named, at most num_callers frames. Where a rule needs more than sp,
 *    fp and pc, the whole walk is done again with all registers (unwind.h).
 * 2. Intern from the outermost frame inwards: a node per frame. The thread's last stack is kept: the outer frames that both have
 *    in common have their nodes already.
 *
 * A signal handler that interrupts a capture and allocates gets stack id 0: what a capture keeps is not touched twice at once.
 *
 * Every frame is kept as one word, its pc with its flags in the top bits, so that comparing stacks is comparing words.
 *
 * Limits: MAX_FRAMES frames whatever num_callers says; more than one thread on one thread_state does not happen. */
#include "trace/capture.h"

#include "base/anchor.h"
#include "base/memory.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/stack.h"
#include "trace/threads.h"
#include "trace/unwind.h"
#include "trace/walk.h"

#define MAX_FRAMES 256
#define FRAME_FLAGS_SHIFT 60

/* What a thread remembers of its last capture. Belongs to the thread that `record` names. */
struct capture_memo {
    struct record_thread *record;
    uint32_t epoch;                 /* of the modules */
    uint32_t depth;                 /* frames of the last stack */
    uint64_t frames[MAX_FRAMES];    /* innermost first */
    uint32_t nodes[MAX_FRAMES];
};

static uint64_t frame_word(uintptr_t pc, unsigned flags)
{
    return (uint64_t)pc | (uint64_t)flags << FRAME_FLAGS_SHIFT;
}

static uintptr_t frame_pc(uint64_t frame)
{
    return frame & ((1ull << RECORD_PC_BITS) - 1);
}

void capture_modules_changed(void)
{
    modules_suspect();
}

void capture_fork_child(void)
{
}

/* ---- walking ----------------------------------------------------------------------------------------------------------------- */

/* The whole walk with all registers. */
static __attribute__((noinline)) unsigned walk_in_full(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max)
{
    uintptr_t pcs[MAX_FRAMES + 1];
    bool interrupted[MAX_FRAMES + 1], ended;
    unsigned n = unwind_walk(self, start, pcs, interrupted, max + 1, &ended), kept = n > max ? max : n;
    for (unsigned i = 0; i < kept; i++)
        frames[i] = frame_word(pcs[i], interrupted[i] ? RECORD_NODE_EXACT_PC : 0);
    if (kept && (n > max || !ended))
        frames[kept - 1] |= frame_word(0, RECORD_NODE_TRUNCATED);
    return kept;
}

/* Walks by rules to frames[max], innermost first; returns the frames. *full: a frame takes all registers. */
static inline unsigned walk_by_rules(struct thread_state *self, const struct capture_start *start, uint64_t *frames,
                                     unsigned max, bool *full)
{
    struct walk walk = {start->pc, start->sp, start->fp, start->exact, self, modules_epoch()};
    unsigned n = 0;
    enum step step;
    *full = false;
    if (!stack_enter(self, start->sp)) {
        frames[0] = frame_word(start->pc, RECORD_NODE_TRUNCATED | (start->exact ? RECORD_NODE_EXACT_PC : 0));
        return 1;
    }
    do {
        if (n == max) {
            frames[n - 1] |= frame_word(0, RECORD_NODE_TRUNCATED);
            return n;
        }
        frames[n++] = frame_word(walk.pc, walk.exact ? RECORD_NODE_EXACT_PC : 0);
        step = walk_step(&walk);
    } while (step == STEP_CALLER);
    if (step != STEP_END) {
        frames[n - 1] |= frame_word(0, RECORD_NODE_TRUNCATED);
        *full = step == STEP_FULL;
    }
    return n;
}

static inline unsigned walk_stack(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max)
{
    bool full;
    unsigned n = walk_by_rules(self, start, frames, max, &full);
    if (__builtin_expect(full, 0)) {
        unsigned better = walk_in_full(self, start, frames, max);
        if (better)
            return better;
        n = walk_by_rules(self, start, frames, max, &full);
    }
    return n;
}

/* ---- interning --------------------------------------------------------------------------------------------------------------- */

/* Stores the stack in the memo and returns the node of its innermost frame. */
static uint32_t intern(struct capture_memo *memo, const uint64_t *frames, unsigned n)
{
    uint64_t *last = memo->frames;
    unsigned depth = memo->depth, common = 0;
    while (common < n && common < depth && frames[n - 1 - common] == last[depth - 1 - common])
        common++;
    uint32_t nodes[MAX_FRAMES], node = common ? memo->nodes[depth - common] : 0;
    for (unsigned i = n - common; i > 0; i--) {
        node = depot_node_inside(node, frame_pc(frames[i - 1]), (unsigned)(frames[i - 1] >> FRAME_FLAGS_SHIFT));
        if (!node) {
            memo->depth = 0;
            return 0;
        }
        nodes[i - 1] = node;
    }
    if (n != depth)     /* what is common moves to its new place */
        for (unsigned i = 0; i < common; i++)
            nodes[n - 1 - i] = memo->nodes[depth - 1 - i];
    unsigned changed = n != depth ? n : n - common;
    memory_copy(memo->nodes, nodes, changed * sizeof *nodes);
    memory_copy(memo->frames, frames, n * sizeof *frames);
    memo->depth = n;
    return node;
}

/* Without memory for a memo. */
static uint32_t intern_plainly(const uint64_t *frames, unsigned n)
{
    uint32_t node = 0;
    for (unsigned i = n; i > 0; i--)
        if (!(node = depot_node_inside(node, frame_pc(frames[i - 1]), (unsigned)(frames[i - 1] >> FRAME_FLAGS_SHIFT))))
            return 0;
    return node;
}

/* The thread's memo, empty if it was another thread's or the modules have changed. NULL: no memory. */
static struct capture_memo *memo_of(struct thread_state *self)
{
    struct capture_memo *memo = self->memo;
    if (__builtin_expect(!memo, 0)) {
        memo = self->memo = memory_map(sizeof *memo, 0, RECORD_PURPOSE_RECORDS);
        if (!memo)
            return NULL;
    }
    uint32_t epoch = modules_epoch();
    if (__builtin_expect(memo->record != self->record || memo->epoch != epoch, 0)) {
        memo->record = self->record;
        memo->epoch = epoch;
        memo->depth = 0;
    }
    return memo;
}

/* ---- the two doors ------------------------------------------------------------------------------------------------------------ */

/* false: a signal handler that interrupted a capture of this thread. A capture that a handler left by longjmp never ended: it
 * is known by our standing above it on the same stack. */
static inline bool begin(struct thread_state *self, uintptr_t sp)
{
    if (__builtin_expect(self->in_capture, 0)
        && (self->shared || sp <= self->capture_sp || !stack_is_own(self, sp) || !stack_is_own(self, self->capture_sp)))
        return false;
    self->in_capture = true;
    self->capture_sp = sp;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(modules_are_suspect(), 0))
        modules_refresh();
    return true;
}

static inline void end(struct thread_state *self)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->in_capture = false;
}

uint32_t capture(const struct capture_start *start)
{
    struct thread_state *self = threads_self();
    uint32_t stack = 0;
    if (__builtin_expect(begin(self, start->sp), 1)) {
        uint64_t frames[MAX_FRAMES];
        unsigned max = midden_anchor.num_callers;
        unsigned n = walk_stack(self, start, frames, max - 1 < MAX_FRAMES ? max : MAX_FRAMES);
        struct capture_memo *memo = memo_of(self);
        stack = memo ? intern(memo, frames, n) : intern_plainly(frames, n);
        end(self);
    }
    if (__builtin_expect(!stack, 0))
        __atomic_add_fetch(&midden_anchor.lost_stacks, 1, __ATOMIC_RELAXED);
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
