/* Retrace: from where a stack differs from the last one of its thread.
 *
 * 1. Walk by rules from the innermost frame outwards until a frame of the last walk is met, in the same state, whose outer part is
 *    unchanged in memory (memo_verify); or to the end of the stack.
 * 2. Put the new frames on those that stay; the paths (depot.h) are made on the way, from those of the frames that stay.
 * 3. The depot is asked for the innermost path; first for the stack that came after the last one when that was last here. Programs
 *    repeat themselves: that is the one nine times in ten, and spares a miss of the CPU's caches.
 * 4. A stack that is new: its innermost known frame is looked for, and the rest added in one go.
 *
 * How many frames: a stack that was cut at exactly num_callers would be another path each time its innermost frame is one level further in,
 * and its frames a new tree in the depot. So whole stacks are kept, if they have less than RETRACE_STEP frames more, and longer ones are
 * cut at every RETRACE_STEP-th frame from the outermost. Who reads them stops at num_callers.
 *
 * Limits: a stack of more than WALK_MAX frames has no outermost frame to count from; it is counted from where a walk stopped. */
#include "trace/retrace.h"

#include "trace/depot.h"
#include "trace/stack.h"
#include "trace/walk.h"

#if defined(__x86_64__)

#define WALK_MAX (MEMO_FRAMES - 2)      /* frames of one walk; there is room for one that has no pc */
#define FEW 6u                          /* frames outside the innermost, of which one is mostly known */
#define WALK_KEPT 64                    /* of a walk that long so many frames more than max are kept: the next ones join it */

/* Where the frame pointer of a walk comes from. Its frames are in memo->inner. */
struct frame_pointer {
    uintptr_t value;
    uintptr_t slot;             /* where it was loaded from; 0: it is that of the start, or it is known to matter */
    unsigned from;              /* the first frame that has it and is not marked as depending on it */
};

/* The value in a general register. Without that compilers put pc and sp of a frame together in a vector, to store them at once, and take them
 * out again to go on: the walk waits for that in each step; and a vector loaded from where two words were just stored waits for both. */
static inline uintptr_t plain_word(uintptr_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

static inline void put_frame(struct memo_frame *frame, uintptr_t pc, uintptr_t sp, uintptr_t fp, uint64_t link)
{
    frame->pc = plain_word(pc);
    frame->sp = plain_word(sp);
    frame->fp = plain_word(fp);
    frame->link = plain_word(link);
}

/* The walk from frame `frames` - 1 outwards depends on fp. */
static inline void fp_matters(struct memo_frame *in, struct frame_pointer *fp, unsigned frames)
{
    if (fp->from < frames) {
        in[fp->from].link |= fp->slot;
        fp->slot = 0;
        for (; fp->from < frames; fp->from++)
            in[fp->from].link |= MEMO_FP_LIVE;
    }
}

/* One step of a frame that was realigned, from frame n; *link: of the one it leads to. false: it cannot be remembered. */
static __attribute__((noinline)) bool step_realigned(struct memo_frame *in, struct frame_pointer *fp, unsigned n, struct walk *walk,
                                                     unwind_rule rule, uint64_t *link)
{
    if (rule_base(rule) == RULE_BASE_FP || rule_fp(rule) == RULE_FP_AT_FP)
        fp_matters(in, fp, n + 1);
    walk->fp = fp->value;
    enum step step = walk_rare(walk, rule);
    if ((step != STEP_CALLER && step != STEP_END) || !stack_is_own(walk->self, walk->sp - 8)
        || (walk->fp_word && !stack_is_own(walk->self, walk->fp_word)))
        return false;
    if (walk->cfa_word) {
        uintptr_t distance = (walk->sp - walk->cfa_word) / 8;
        if (distance == 0 || distance > MEMO_DISTANCE_MAX || (walk->sp & 7) || !stack_is_own(walk->self, walk->cfa_word))
            return false;
        *link = (uint64_t)distance << MEMO_DISTANCE_SHIFT;
    }
    if (walk->fp_word)
        *fp = (struct frame_pointer){walk->fp, walk->fp_word, n + 1};
    return true;
}

/* true: the step from sp to cfa, with a word at `slot`, reads nothing but the thread's own stack. The rarer ways. */
static __attribute__((noinline)) bool may_step(struct thread_state *self, uintptr_t sp, uintptr_t cfa, uintptr_t slot)
{
    return cfa > sp && stack_word(self, cfa - 8) && stack_is_own(self, cfa - 8)
        && slot >= sp - WALK_RED_ZONE && stack_word(self, slot) && stack_is_own(self, slot);
}

/* Walks into memo->inner. *kept: so many outer frames of the last walk go on from there. *whole: the outermost frame was found (or
 * is among those kept). Returns the new frames; 0 and none kept: it must be done otherwise. */
static inline unsigned walk_own(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start,
                                unsigned max, unsigned *kept, bool *whole)
{
    struct memo_walk *last = &memo->last;
    struct memo_frame *in = memo->inner;
    struct frame_pointer fp = {start->fp, 0, 0};
    uintptr_t pc = start->pc, sp = start->sp;
    uint64_t link = 0;
    struct memo_frame *met = last->all + last->depth;       /* the innermost one; beyond the outermost is last->outside */
    unsigned verified = 0, n = 0;
    uint32_t epoch = memo->epoch;
    *kept = 0;
    for (;;) {
        while (met->sp < sp)
            met--;
        if (met->sp == sp && met->pc == pc && (met->fp == fp.value || (!(met->link & MEMO_FP_LIVE) && last->whole))) {
            unsigned outer = (unsigned)(met - last->frame);
            if (verified < outer && (verified = memo_verify(last, outer)) < outer) {
                met = last->frame + verified;
            } else if (outer + 1 + n < MEMO_FRAMES && (last->whole || outer + 1 + n >= max)) {
                /* It is entered from another frame now, or from none. */
                if (met->link & MEMO_FP_LIVE) {
                    fp_matters(in, &fp, n);
                    link |= fp.slot | MEMO_FP_LIVE;
                }
                met->link = link;
                if (link > MEMO_FP_LIVE && last->linked <= outer)
                    last->linked = outer + 1;
                *kept = outer + 1;
                *whole = last->whole;
                return n;
            } else {
                met = &last->outside;
            }
        }
        put_frame(&in[n], pc, sp, fp.value, link);
        if (n == WALK_MAX) {
            *whole = false;
            return max + WALK_KEPT;
        }
        link = 0;
        unwind_rule rule = rules_of(pc, false, epoch);
        if (__builtin_expect(rule_kind(rule) == RULE_FRAME && rule_fp(rule) != RULE_FP_AT_FP, 1)) {
            if (rule_base(rule) == RULE_BASE_FP)
                fp_matters(in, &fp, n + 1);
            uintptr_t cfa = (rule_base(rule) == RULE_BASE_FP ? fp.value : sp) + (uintptr_t)rule_offset(rule);
            bool loads = rule_fp(rule) == RULE_FP_AT_CFA;
            uintptr_t slot = cfa + (uintptr_t)(loads ? rule_slot(rule) : -8);
            if (__builtin_expect(cfa - sp - 1 >= self->stack_high - sp || slot - sp >= cfa - sp || ((cfa | slot) & 7), 0)
                && !may_step(self, sp, cfa, slot))
                return 0;
            pc = plain_word(walk_load(cfa - 8));
            uintptr_t saved = walk_load(slot);
            fp.value = plain_word(loads ? saved : fp.value);
            fp.slot = plain_word(loads ? slot : fp.slot);
            fp.from = loads ? n + 1 : fp.from;
            sp = plain_word(cfa);
        } else if (rule_kind(rule) == RULE_END) {
            *whole = true;
            return n + 1;
        } else {
            struct walk walk = {pc, sp, fp.value, false, self, epoch, 0, 0};
            struct frame_pointer there = fp;        /* a copy, so that fp itself stays in registers */
            if (!walk_is_realigned(rule) || !step_realigned(in, &there, n, &walk, rule, &link))
                return 0;
            fp = there;
            pc = walk.pc;
            sp = walk.sp;
        }
        n++;
        if (!pc) {
            in[n] = (struct memo_frame){0, sp, 0, link};
            *whole = true;
            return n + 1;
        }
    }
}

/* Puts the `n` new frames on the outer `kept` frames of the last walk, and makes their paths, which go on from those. */
static inline void join(struct capture_memo *memo, unsigned kept, unsigned n)
{
    struct memo_walk *last = &memo->last;
    uint64_t path = kept ? last->path[kept - 1] : DEPOT_PATH_START;
    unsigned to = kept, linked = last->linked < kept ? last->linked : kept;
    for (unsigned from = n; from > 0; from--, to++) {
        const struct memo_frame *frame = &memo->inner[from - 1];
        linked = frame->link > MEMO_FP_LIVE ? to + 1 : linked;
        put_frame(&last->frame[to], frame->pc, frame->sp, frame->fp, frame->link);
        last->path[to] = path = depot_path(path, frame->pc);
        last->node[to] = 0;
    }
    last->depth = to;
    last->linked = linked;
}

static inline uint64_t frame_word(const struct memo_walk *last, unsigned i, unsigned first, bool cut)
{
    return depot_frame(last->frame[i].pc, i == first && cut ? RECORD_NODE_TRUNCATED : 0);
}

/* The paths from frame `first` inwards, when the stack is cut, or begins, elsewhere than the last one. */
static __attribute__((noinline)) void paths_from(struct memo_walk *last, unsigned first, bool cut)
{
    uint64_t path = DEPOT_PATH_START;
    for (unsigned i = first; i < last->depth; i++) {
        last->path[i] = path = depot_path(path, frame_word(last, i, first, cut));
        last->node[i] = 0;
    }
    last->first = first;
}

/* Looks for the innermost frame that is known, and adds the rest. Mostly it is among the next few: what they are looked for in is asked for
 * at once. */
static __attribute__((noinline)) uint32_t intern_slowly(struct memo_walk *last, bool cut)
{
    unsigned i = last->depth - 1;
    for (unsigned k = i, few = k - last->first < FEW ? last->first : k - FEW; k > few && !last->node[k - 1]; k--)
        depot_prefetch(last->path[k - 1]);
    while (i > last->first && !last->node[i - 1] && !(last->node[i - 1] = depot_find(last->path[i - 1])))
        i--;
    uint32_t node = i > last->first ? last->node[i - 1] : 0;
    while (i < last->depth) {
        struct depot_frame row[DEPOT_ROW];
        unsigned n = last->depth - i < DEPOT_ROW ? last->depth - i : DEPOT_ROW;
        for (unsigned k = 0; k < n; k++)
            row[k] = (struct depot_frame){.frame = frame_word(last, i + k, last->first, cut), .path = last->path[i + k]};
        node = depot_add(node, row, n);
        if (__builtin_expect(!node, 0)) {
            last->depth = 0;
            return 0;
        }
        for (unsigned k = 0; k < n; k++)
            last->node[i + k] = row[k].node;
        i += n;
    }
    return node;
}

bool retrace(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start, unsigned max, uint32_t *node)
{
    struct memo_walk *last = &memo->last;
    unsigned kept;
    bool whole;
    unsigned n = walk_own(self, memo, start, max, &kept, &whole);
    if (__builtin_expect(n == 0 && kept == 0, 0))
        return false;
    last->whole = whole;
    join(memo, kept, n);

    unsigned begin = last->frame[0].pc == 0, first = begin, depth = last->depth, innermost = depth - 1;
    if (__builtin_expect(depth - begin > max, 0))
        first += (depth - begin - max) / RETRACE_STEP * RETRACE_STEP;
    bool cut = !whole || first > begin;
    if (__builtin_expect(first != last->first || kept <= first, 0))
        paths_from(last, first, cut);
    if (!(*node = last->node[innermost])) {
        *node = depot_find_after(memo->before, last->path[innermost]);
        if (__builtin_expect(!*node, 0)) {
            *node = intern_slowly(last, cut);
            if (*node)
                depot_follows(memo->before, *node);
        }
        last->node[innermost] = *node;
    }
    memo->before = *node;
    if (*node)
        memo_keep(memo, start, first, *node);
    return true;
}

#else

bool retrace(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start, unsigned max, uint32_t *node)
{
    (void)self, (void)memo, (void)start, (void)max, (void)node;
    return false;
}

#endif
