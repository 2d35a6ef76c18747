/* The verified memo.
 *
 * An unwind by rules is a function of pc, sp, fp at its start and of the words of the stack that it reads: return addresses and
 * saved frame pointers. When those are the same, so is the result. Nothing is guessed: every word is compared.
 *
 * 1. Whole stacks (struct memo_stack), found by (pc, sp), two to a set: a hit needs neither tables nor nodes.
 * 2. The last walk (struct memo_walk): a new walk that comes to one of its frames, with the same state, and finds the
 *    words outwards from there unchanged, has the rest (retrace.c).
 *
 * A saved frame pointer counts only if a frame further out computes its CFA from it.
 *
 * Why reading is safe: all words lie in the thread's own stack above the stack pointer that the capture starts from, and were read
 * there before. The stack of a thread does not go away while it runs.
 *
 * Limits: stacks with signal frames, frames that need all registers, or parts outside the thread's own stack are not
 * remembered. About 350 KiB a thread, as far as touched. */
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
    }
    memo->generation = self->generation;
    memo->epoch = epoch;
    memo->limit = limit;
    memo->before = 0;
    memo->last.depth = 0;
    for (unsigned set = 0; set < MEMO_SETS && !fresh; set++)     /* fresh memory is zero, and stays untouched until it is needed */
        for (unsigned way = 0; way < MEMO_WAYS; way++)
            memo->stacks[set][way].pc = 0;
    return memo;
}

/* The words that the step into `frame` read, to those of `stack`. false: there is no more room, or one is too far away. */
static inline bool keep_word(struct memo_stack *stack, unsigned *n, uintptr_t offset, uint64_t value)
{
    if (__builtin_expect(offset > UINT32_MAX || *n == MEMO_CHUNK * MEMO_CHUNKS, 0))
        return false;
    stack->chunk[*n / MEMO_CHUNK].offsets[*n % MEMO_CHUNK] = (uint32_t)offset;
    stack->chunk[*n / MEMO_CHUNK].values[*n % MEMO_CHUNK] = value;
    ++*n;
    return true;
}

static inline bool keep_words(struct memo_stack *stack, unsigned *n, const struct memo_frame *frame, uintptr_t sp)
{
    if (!keep_word(stack, n, frame->sp - 8 - sp, frame->pc))
        return false;
    uint64_t link = frame->link;
    if (__builtin_expect(link <= MEMO_FP_LIVE, 1))
        return true;
    return (!(link & MEMO_SLOT) || keep_word(stack, n, (link & MEMO_SLOT) - sp, frame->fp))
        && (!(link >> MEMO_DISTANCE_SHIFT) || keep_word(stack, n, frame->sp - 8 * (link >> MEMO_DISTANCE_SHIFT) - sp, frame->sp));
}

void memo_remember(struct capture_memo *memo, const struct capture_start *start, unsigned first, uint32_t node)
{
    const struct memo_walk *last = &memo->last;
    unsigned set = memo_set(start->pc, start->sp), way = !memo->recent[set], n = 0;
    struct memo_stack *stack = &memo->stacks[set][way];
    stack->pc = 0;
    /* The frame outside the first as well: that there is a caller, or none, belongs to the stack. */
    for (unsigned i = last->depth - 1, end = first ? first - 1 : 0; i > end; i--)
        if (!keep_words(stack, &n, &last->frame[i - 1], start->sp))
            return;
    if (n == 0)
        return;
    for (; n % MEMO_CHUNK; n++) {
        stack->chunk[n / MEMO_CHUNK].offsets[n % MEMO_CHUNK] = stack->chunk[0].offsets[0];
        stack->chunk[n / MEMO_CHUNK].values[n % MEMO_CHUNK] = stack->chunk[0].values[0];
    }
    stack->chunks = (uint16_t)(n / MEMO_CHUNK);
    stack->sp = start->sp;
    stack->fp = start->fp;
    stack->fp_live = last->frame[last->depth - 1].link & MEMO_FP_LIVE;
    stack->node = node;
    stack->pc = start->pc;
    memo->recent[set] = (uint8_t)way;
}

static inline uint64_t frame_differs(const struct memo_frame *frame)
{
    uint64_t link = frame->link, differ = memo_load(frame->sp - 8) ^ frame->pc;
    if (__builtin_expect(link > MEMO_FP_LIVE, 0)) {
        if (link & MEMO_SLOT)
            differ |= memo_load(link & MEMO_SLOT) ^ frame->fp;
        if (link >> MEMO_DISTANCE_SHIFT)
            differ |= memo_load(frame->sp - 8 * (link >> MEMO_DISTANCE_SHIFT)) ^ frame->sp;
    }
    return differ;
}

unsigned memo_verify(const struct memo_walk *walk, unsigned limit)
{
    const struct memo_frame *frame = walk->frame;
    unsigned i = 0;
    for (; i + 4 <= limit; i += 4)
        if (frame_differs(&frame[i]) | frame_differs(&frame[i + 1]) | frame_differs(&frame[i + 2]) | frame_differs(&frame[i + 3]))
            break;
    while (i < limit && !frame_differs(&frame[i]))
        i++;
    return i;
}
