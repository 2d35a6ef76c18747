/* The verified memo.
 *
 * An unwind by rules is a function of pc, sp, fp at its start and of the words of the stack that it reads: return addresses and
 * saved frame pointers. When those are the same, so is the result. Nothing is guessed: every word is compared.
 *
 * 1. Whole stacks (struct memo_stack), found by (pc, sp), four to a set: a hit needs neither tables nor nodes.
 * 2. The last walk (struct memo_walk): a new walk that comes to one of its frames, with the same state, and finds the
 *    words outwards from there unchanged, has the rest (retrace.c).
 *
 * A saved frame pointer counts only if a frame further out computes its CFA from it.
 *
 * Why reading is safe: all words lie in the thread's own stack above the stack pointer that the capture starts from, and were read
 * there before. The stack of a thread does not go away while it runs.
 *
 * Limits: stacks with signal frames, frames that need all registers, or parts outside the thread's own stack are not
 * remembered. About 260 KiB a thread, as far as touched, and 400 more where stacks are deep. */
#include "trace/memo.h"

#include <stddef.h>

#include "base/memory.h"
#include "trace/rules.h"

struct capture_memo *memo_renew(struct thread_state *self, uint32_t epoch, uint32_t limit)
{
    struct capture_memo *memo = self->memo;
    rules_renew(epoch);
    bool fresh = !memo;
    if (fresh) {
        if (self->shared)
            return NULL;
        memo = self->memo = memory_map(sizeof *memo, 0, RECORD_PURPOSE_RECORDS);
        if (!memo)
            return NULL;
        memo->last.outside.sp = UINTPTR_MAX;
    }
    self->memo_modules = epoch;
    memo->epoch = epoch;
    memo->limit = limit;
    memo->before = 0;
    memo->last.depth = 0;
    if (!fresh)         /* what belongs to no tag is not looked at */
        memory_fill(memo->tags, 0, sizeof memo->tags);
    return memo;
}

/* A stack that is being remembered. */
struct kept {
    struct memo_chunk *near, *further;
    uintptr_t sp;
    unsigned words;
};

static inline struct memo_chunk *chunk_of(const struct kept *kept, unsigned word)
{
    unsigned chunk = word / MEMO_CHUNK;
    return chunk < MEMO_CHUNKS_NEAR ? &kept->near[chunk] : &kept->further[chunk - MEMO_CHUNKS_NEAR];
}

/* false: there is no more room, or the word is too far away. */
static inline bool keep_word(struct kept *kept, uintptr_t address, uint64_t value)
{
    uintptr_t offset = address - kept->sp;
    if (__builtin_expect(offset > UINT32_MAX || kept->words == MEMO_CHUNK * MEMO_CHUNKS, 0))
        return false;
    struct memo_chunk *chunk = chunk_of(kept, kept->words);
    chunk->offsets[kept->words % MEMO_CHUNK] = (uint32_t)offset;
    chunk->values[kept->words++ % MEMO_CHUNK] = value;
    return true;
}

/* The words that the step into `frame` read. */
static inline bool keep_words(struct kept *kept, const struct memo_frame *frame)
{
    if (!keep_word(kept, frame->sp - 8, frame->pc))
        return false;
    uint64_t link = frame->link;
    if (__builtin_expect(link <= MEMO_FP_LIVE, 1))
        return true;
    return (!(link & MEMO_SLOT) || keep_word(kept, link & MEMO_SLOT, frame->fp))
        && (!(link >> MEMO_DISTANCE_SHIFT) || keep_word(kept, frame->sp - 8 * (link >> MEMO_DISTANCE_SHIFT), frame->sp));
}

static void swap_words(struct memo_chunk *a, unsigned i, struct memo_chunk *b, unsigned k)
{
    uint32_t offset = a->offsets[i];
    uint64_t value = a->values[i];
    a->offsets[i] = b->offsets[k];
    a->values[i] = b->values[k];
    b->offsets[k] = offset;
    b->values[k] = value;
}

/* Two stacks of one place: a word in which they differ, if there is one that both have in the same order, becomes the first of each, so that one
 * look tells which it is not. */
static void tell_apart(struct memo_stack *a, struct memo_stack *b)
{
    unsigned chunks = a->near < b->near ? a->near : b->near;
    for (unsigned c = 0; c < chunks; c++)
        for (unsigned i = 0; i < MEMO_CHUNK; i++)
            if (a->chunk[c].offsets[i] == b->chunk[c].offsets[i] && a->chunk[c].values[i] != b->chunk[c].values[i]) {
                swap_words(&a->chunk[c], i, &a->chunk[0], 0);
                swap_words(&b->chunk[c], i, &b->chunk[0], 0);
                return;
            }
}

void memo_remember(struct capture_memo *memo, const struct capture_start *start, unsigned first, uint32_t node)
{
    const struct memo_walk *last = &memo->last;
    uint64_t hash = memo_hash(start->pc, start->sp);
    unsigned set = memo_set(hash), way = memo->turn[set] % MEMO_WAYS;
    struct memo_stack *stack = &memo->stacks[set * MEMO_WAYS + way];
    struct kept kept = {stack->chunk, memo->further[set * MEMO_WAYS + way], start->sp, 0};
    memo->tags[set][way] = 0;
    /* The frame outside the first as well: that there is a caller, or none, belongs to the stack. */
    for (unsigned i = last->depth - 1, end = first ? first - 1 : 0; i > end; i--)
        if (!keep_words(&kept, &last->frame[i - 1]))
            return;
    if (kept.words == 0)
        return;
    for (; kept.words % MEMO_CHUNK; kept.words++) {
        struct memo_chunk *chunk = chunk_of(&kept, kept.words);
        chunk->offsets[kept.words % MEMO_CHUNK] = stack->chunk[0].offsets[0];
        chunk->values[kept.words % MEMO_CHUNK] = stack->chunk[0].values[0];
    }
    unsigned chunks = kept.words / MEMO_CHUNK;
    stack->near = (uint8_t)(chunks < MEMO_CHUNKS_NEAR ? chunks : MEMO_CHUNKS_NEAR);
    stack->further = (uint8_t)(chunks - stack->near);
    stack->pc = start->pc;
    stack->sp = start->sp;
    stack->fp = start->fp;
    stack->fp_live = last->frame[last->depth - 1].link & MEMO_FP_LIVE;
    stack->node = node;
    for (unsigned other = 0; other < MEMO_WAYS; other++) {
        struct memo_stack *beside = &memo->stacks[set * MEMO_WAYS + other];
        if (memo->tags[set][other] && beside->pc == stack->pc && beside->sp == stack->sp)
            tell_apart(stack, beside);
    }
    memo->tags[set][way] = memo_tag(hash);
    memo->turn[set] = (uint8_t)((memo->turn[set] & 0xf0) | (way + 1) % MEMO_WAYS);
}

static inline uint64_t pc_differs(const struct memo_frame *frame)
{
    return memo_load(frame->sp - 8) ^ frame->pc;
}

/* The same of what else the steps into frames read: mostly only those of a few, the outermost. */
static inline unsigned verify_linked(const struct memo_walk *walk, unsigned limit)
{
    for (unsigned i = 0; i < limit; i++) {
        const struct memo_frame *frame = &walk->frame[i];
        uint64_t link = frame->link;
        if (link > MEMO_FP_LIVE
            && ((link & MEMO_SLOT && memo_load(link & MEMO_SLOT) != frame->fp)
                || (link >> MEMO_DISTANCE_SHIFT && memo_load(frame->sp - 8 * (link >> MEMO_DISTANCE_SHIFT)) != frame->sp)))
            return i;
    }
    return limit;
}

unsigned memo_verify(const struct memo_walk *walk, unsigned limit)
{
    const struct memo_frame *frame = walk->frame, *end = frame + limit;
    while (end - frame >= 4 && !(pc_differs(frame) | pc_differs(frame + 1) | pc_differs(frame + 2) | pc_differs(frame + 3)))
        frame += 4;
    while (frame < end && !pc_differs(frame))
        frame++;
    unsigned same = (unsigned)(frame - walk->frame), linked = same < walk->linked ? same : walk->linked;
    unsigned good = verify_linked(walk, linked);
    return good < linked ? good : same;
}
