/* The verified memo.
 *
 * An unwind by rules is a function of pc, sp, fp at its start and of the words of the stack that it reads: return addresses and
 * saved frame pointers. When those are the same, so is the result. Nothing is guessed: every word is compared.
 *
 * 1. Whole stacks (struct memo_stack), found by (pc, sp), two to a set: a hit needs neither tables nor nodes.
 * 2. The last walk (struct memo_walk): a new walk that comes to one of its frames, with the same state, and finds the
 *    words outwards from there unchanged, has the rest.
 *
 * A saved frame pointer counts only if a frame further out computes its CFA from it. Until then its place in words[] repeats the
 * return address of the same step, which makes no difference to a comparison.
 *
 * Why reading is safe: all words lie in the thread's own stack above the stack pointer that the capture starts from, and were read
 * there before. The stack of a thread does not go away while it runs.
 *
 * Limits: stacks with signal frames, frames that need all registers, or parts outside the thread's own stack are not
 * remembered. About 140 KiB a thread, as far as touched. */
#include "trace/memo.h"

#include <stddef.h>

#include "base/memory.h"
#include "trace/rules.h"

struct capture_memo *memo_renew(struct thread_state *self, uint32_t epoch, uint32_t limit)
{
    struct capture_memo *memo = self->memo;
    rules_renew(epoch);
    if (!memo) {
        if (self->shared)
            return NULL;
        memo = self->memo = memory_map(sizeof *memo, 0, RECORD_PURPOSE_RECORDS);
        if (!memo)
            return NULL;
    }
    memo->generation = self->generation;
    memo->epoch = epoch;
    memo->limit = limit;
    memo->last.depth = 0;
    for (unsigned set = 0; set < MEMO_SETS; set++)
        for (unsigned way = 0; way < MEMO_WAYS; way++)
            memo->stacks[set][way].pc = 0;
    return memo;
}

void memo_keep(struct capture_memo *memo, const struct capture_start *start, unsigned frames, uint32_t node)
{
    const struct memo_walk *last = &memo->last;
    unsigned first = last->depth - frames;      /* its words as well: they tell that there is a caller, or none */
    unsigned begin = first ? last->words_end[first - 1] : 0, end = last->words_end[last->depth - 1];
    unsigned set = memo_set(start->pc, start->sp), way = !memo->recent[set], n = 0;
    if (memo->candidate[set] != node) {
        memo->candidate[set] = node;
        return;
    }
    struct memo_stack *stack = &memo->stacks[set][way];
    stack->pc = 0;
    for (unsigned i = end; i > begin; i--) {
        const struct memo_word *word = &last->words[i - 1];
        uintptr_t offset = word->address - start->sp;
        if (i < end && word->address == word[1].address)
            continue;       /* a place for a frame pointer that nothing depends on */
        if (offset > UINT32_MAX || n == MEMO_CHUNK * MEMO_CHUNKS)
            return;
        stack->chunk[n / MEMO_CHUNK].offsets[n % MEMO_CHUNK] = (uint32_t)offset;
        stack->chunk[n / MEMO_CHUNK].values[n % MEMO_CHUNK] = word->value;
        n++;
    }
    if (n == 0)
        return;
    for (; n % MEMO_CHUNK; n++) {
        stack->chunk[n / MEMO_CHUNK].offsets[n % MEMO_CHUNK] = stack->chunk[0].offsets[0];
        stack->chunk[n / MEMO_CHUNK].values[n % MEMO_CHUNK] = stack->chunk[0].values[0];
    }
    stack->chunks = (uint16_t)(n / MEMO_CHUNK);
    stack->sp = start->sp;
    stack->fp = start->fp;
    stack->fp_live = last->fp_live[last->depth - 1];
    stack->node = node;
    stack->pc = start->pc;
    memo->recent[set] = (uint8_t)way;
}

unsigned memo_verify(const struct memo_walk *walk, unsigned limit)
{
    unsigned end = limit ? walk->words_end[limit - 1] : 0, i = 0;
    for (; i + 8 <= end; i += 8) {
        uint64_t differ = 0;
        for (unsigned k = i; k < i + 8; k++)
            differ |= *(const volatile uint64_t *)walk->words[k].address ^ walk->words[k].value;
        if (differ)
            break;
    }
    while (i < end && *(const volatile uint64_t *)walk->words[i].address == walk->words[i].value)
        i++;
    while (limit && walk->words_end[limit - 1] > i)
        limit--;
    return limit;
}

void memo_join(struct capture_memo *memo, unsigned kept, unsigned n)
{
    struct memo_walk *last = &memo->last;
    const struct memo_walk *inner = &memo->inner;
    unsigned words = kept ? last->words_end[kept - 1] : 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned from = n - 1 - i, to = kept + i;
        last->pc[to] = inner->pc[from];
        last->sp[to] = inner->sp[from];
        last->fp[to] = inner->fp[from];
        last->fp_live[to] = inner->fp_live[from];
        for (unsigned k = from ? inner->words_end[from - 1] : 0; k < inner->words_end[from]; k++)
            last->words[words++] = inner->words[k];
        last->words_end[to] = words;
    }
    last->depth = kept + n;
}
