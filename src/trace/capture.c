/* Capture: the stack of the calling thread as a stack id.
 *
 * 1. A capture that starts on the thread's own stack asks the memo (memo.h) for the whole stack: when every word that the unwind
 *    depended on is still the same, the id is.
 * 2. Otherwise it walks by rules, recording those words, until it comes to a frame of the last walk whose outer part is
 *    unchanged, or to the end, or has one frame more than num_callers. Only the new frames are interned, from the outermost
 *    inwards; the result goes into the memo.
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
#include "trace/stack.h"
#include "trace/threads.h"
#include "trace/unwind.h"
#include "trace/walk.h"

#define MAX_FRAMES 250      /* the largest num_callers; a walk that is remembered has room for one more */
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
    uint64_t *frames = memo->inner.pc;
    return intern_frames(frames, walk_stack(self, start, frames, max));
}

/* ---- walks that are ------------------------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)

/* A walk under way. Its frames are in memo->inner. */
struct recording {
    struct memo_walk *walk;
    unsigned n, words;          /* frames and words so far */
    unsigned fp_word;           /* where in words[] the current fp has its place; NO_WORD: it is that of the start */
    unsigned fp_from;           /* the first frame that has this fp and is not marked as depending on it */
    uintptr_t fp_slot;          /* where it was loaded from */
};
#define NO_WORD UINT32_MAX

static inline void add_word(struct recording *r, uintptr_t address, uint64_t value)
{
    r->walk->words[r->words++] = (struct memo_word){address, value};
}

/* The walk from frame n - 1 + more outwards depends on fp. */
static inline void fp_matters(struct recording *r, uintptr_t fp, unsigned frames)
{
    if (r->fp_word != NO_WORD)
        r->walk->words[r->fp_word] = (struct memo_word){r->fp_slot, fp};
    for (; r->fp_from < frames; r->fp_from++)
        r->walk->fp_live[r->fp_from] = 1;
}

static inline void fp_loaded(struct recording *r, uintptr_t slot, uintptr_t cfa, uintptr_t pc)
{
    r->fp_word = r->words;
    r->fp_slot = slot;
    r->fp_from = r->n + 1;
    add_word(r, cfa - 8, pc);       /* a place, until it matters */
}

/* One step of a frame that was realigned. false: it cannot be remembered. */
static __attribute__((noinline)) bool record_realigned(struct recording *r, struct walk *walk, unwind_rule rule)
{
    if (rule_base(rule) == RULE_BASE_FP || rule_fp(rule) == RULE_FP_AT_FP)
        fp_matters(r, walk->fp, r->n + 1);
    enum step step = walk_rare(walk, rule);
    if ((step != STEP_CALLER && step != STEP_END) || !stack_is_own(walk->self, walk->sp - 8)
        || (walk->fp_word && !stack_is_own(walk->self, walk->fp_word)))
        return false;
    if (walk->cfa_word)
        add_word(r, walk->cfa_word, walk->sp);
    add_word(r, walk->sp - 8, walk->pc);
    if (walk->fp_word)
        fp_loaded(r, walk->fp_word, walk->sp, walk->pc);
    return true;
}

/* Walks on the thread's own stack, into memo->inner. *kept: so many outer frames of the last walk go on from there. *whole: the
 * outermost frame was found (always so when frames are kept). Returns the new frames; 0: it must be done otherwise. */
static inline unsigned walk_own(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start,
                                unsigned max, unsigned *kept, bool *whole)
{
    const struct memo_walk *last = &memo->last;
    struct recording r = {&memo->inner, 0, 0, NO_WORD, 0, 0};
    uintptr_t pc = start->pc, sp = start->sp, fp = start->fp;
    unsigned meet = last->depth, verified = 0;
    uint32_t epoch = memo->epoch;
    *kept = 0;
    for (;;) {
        while (meet > 0 && last->sp[meet - 1] < sp)
            meet--;
        if (meet > 0 && last->sp[meet - 1] == sp && last->pc[meet - 1] == pc
            && (last->fp[meet - 1] == fp || (!last->fp_live[meet - 1] && last->whole))) {
            if (verified < meet)
                verified = memo_verify(last, meet);
            if (verified < meet) {
                meet = verified;
            } else if (meet + r.n <= MEMO_FRAMES && (last->whole || meet + r.n > max)) {
                if (last->fp_live[meet - 1])
                    fp_matters(&r, fp, r.n);
                *kept = meet;
                *whole = last->whole;
                return r.n;
            } else {
                meet = 0;
            }
        }
        struct memo_walk *in = r.walk;
        in->pc[r.n] = pc;
        in->sp[r.n] = sp;
        in->fp[r.n] = fp;
        in->fp_live[r.n] = 0;
        in->words_end[r.n] = r.words;
        if (r.n == max) {
            *whole = false;
            return r.n + 1;
        }
        unwind_rule rule = rules_of(pc, false, epoch);
        if (__builtin_expect(rule_kind(rule) == RULE_FRAME && rule_fp(rule) != RULE_FP_AT_FP, 1)) {
            if (rule_base(rule) == RULE_BASE_FP)
                fp_matters(&r, fp, r.n + 1);
            uintptr_t cfa = (rule_base(rule) == RULE_BASE_FP ? fp : sp) + (uintptr_t)rule_offset(rule);
            bool loads = rule_fp(rule) == RULE_FP_AT_CFA;
            uintptr_t slot = cfa + (uintptr_t)(loads ? rule_slot(rule) : -8);
            if (__builtin_expect(cfa <= sp || slot < sp - WALK_RED_ZONE || ((cfa | slot) & 7)
                                 || !stack_is_own(self, cfa - 8) || !stack_is_own(self, slot), 0)) {
                if (cfa <= sp || !stack_word(self, cfa - 8) || !stack_is_own(self, cfa - 8)
                    || slot < sp - WALK_RED_ZONE || !stack_word(self, slot) || !stack_is_own(self, slot))
                    return 0;
            }
            pc = walk_load(cfa - 8);
            add_word(&r, cfa - 8, pc);
            if (loads) {
                fp = walk_load(slot);
                fp_loaded(&r, slot, cfa, pc);
            }
            sp = cfa;
        } else if (rule_kind(rule) == RULE_END) {
            pc = 0;
        } else {
            struct walk walk = {pc, sp, fp, false, self, epoch, 0, 0};
            if (!walk_is_realigned(rule) || !record_realigned(&r, &walk, rule))
                return 0;
            pc = walk.pc;
            sp = walk.sp;
            fp = walk.fp;
        }
        in->words_end[r.n++] = r.words;
        if (!pc) {
            *whole = true;
            return r.n;
        }
    }
}

/* Goes down the tree from the innermost frame that is known, and adds the rest. */
static __attribute__((noinline)) uint32_t intern_slowly(struct memo_walk *last)
{
    unsigned i = last->depth;
    uint32_t node = 0;
    while (i > last->first && !(node = depot_find(last->path[i - 1])))
        i--;
    for (; i < last->depth; i++) {
        node = depot_node_inside(node, frame_pc(last->pc[i]), i == last->first && i ? RECORD_NODE_TRUNCATED : 0);
        if (__builtin_expect(!node, 0)) {
            last->depth = 0;
            return 0;
        }
    }
    return node;
}

/* The node of the innermost frame of memo->last, of which the outer `kept` frames were there before. 0: no memory. */
static inline uint32_t intern(struct memo_walk *last, unsigned kept, unsigned max, unsigned *frames)
{
    unsigned first = last->depth > max ? last->depth - max : 0;
    unsigned i = first == last->first && kept > first ? kept : first;
    uint64_t path;
    if (i > first) {
        path = last->path[i - 1];
    } else {
        path = depot_path(DEPOT_PATH_START, depot_frame(last->pc[i], first ? RECORD_NODE_TRUNCATED : 0));
        last->path[i++] = path;
    }
    for (; i < last->depth; i++)
        last->path[i] = path = depot_path(path, last->pc[i]);
    last->first = first;
    *frames = last->depth - first;
    uint32_t node = depot_find(path);
    return __builtin_expect(node != 0, 1) ? node : intern_slowly(last);
}

static inline uint32_t capture_own(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start,
                                   unsigned max)
{
    unsigned kept, frames;
    bool whole;
    unsigned n = walk_own(self, memo, start, max, &kept, &whole);
    if (n == 0 && kept == 0)
        return capture_plainly(self, memo, start, max);
    memo_join(memo, kept, n);
    memo->last.whole = whole;
    uint32_t node = intern(&memo->last, kept, max, &frames);
    if (node)
        memo_keep(memo, start, frames, node);
    return node;
}

#else

static inline uint32_t capture_own(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start,
                                   unsigned max)
{
    return capture_plainly(self, memo, start, max);
}

#endif

/* ---- the two doors ------------------------------------------------------------------------------------------------------------ */

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
    if (self->memo)
        self->memo->generation = 0;
    return true;
}

/* false: called by a signal handler that interrupted a capture. */
static inline bool begin(struct thread_state *self, uintptr_t sp)
{
    if (__builtin_expect(self->in_capture, 0) && !begin_again(self, sp))
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

static inline unsigned frame_limit(void)
{
    unsigned max = midden_anchor.num_callers;
    return max - 1 < MAX_FRAMES ? max : MAX_FRAMES;
}

uint32_t capture(const struct capture_start *start)
{
    struct thread_state *self = threads_self();
    uint32_t stack = 0;
    if (__builtin_expect(begin(self, start->sp), 1)) {
        unsigned max = frame_limit();
        struct capture_memo *memo = memo_of(self, modules_epoch(), max);
        if (__builtin_expect(!memo, 0)) {
            stack = capture_little(self, start, max);
        } else if (__builtin_expect(!start->exact && stack_is_own(self, start->sp), 1)) {
            stack = memo_find(memo, start);
            if (__builtin_expect(!stack, 0))
                stack = capture_own(self, memo, start, max);
        } else {
            stack = capture_plainly(self, memo, start, max);
        }
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
