/* What a thread remembers of its captures, so that the next one need not walk: the last walk, and many whole stacks. */
#ifndef MIDDEN_TRACE_MEMO_H
#define MIDDEN_TRACE_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/capture.h"
#include "trace/threads.h"

#define MEMO_FRAMES 256                 /* frames of a walk that are remembered */
#define MEMO_WORDS (3 * MEMO_FRAMES)    /* words of the stack that a walk read: at most 3 a frame */

/* One word of the stack that a walk depends on. */
struct memo_word {
    uintptr_t address;
    uint64_t value;
};

/* A walk, frame by frame, all on the thread's own stack and by plain rules. Outermost frame first, so that what two walks have in
 * common stays where it is:
 *
 *     frame      0           1       …      depth-1
 *            outermost                     innermost
 *     words  [ of 0 | of 1          | … | of depth-1 ]     words_end[i]: end of those of frames 0 … i
 *
 * The words of a frame are those that the step from it to its caller read. */
struct memo_walk {
    uint32_t depth;                     /* frames; 0: nothing is remembered */
    uint32_t first;                     /* path[] is of the stack whose outermost kept frame is this one */
    bool whole;                         /* frame 0 is the outermost of all; else one that was not kept */
    uintptr_t pc[MEMO_FRAMES];
    uintptr_t sp[MEMO_FRAMES];          /* stack pointer in the frame, after its call has returned */
    uintptr_t fp[MEMO_FRAMES];
    uint8_t fp_live[MEMO_FRAMES];       /* 1: the walk from here outwards depends on fp */
    uint64_t path[MEMO_FRAMES];         /* hash of the frames first … i (depot.h) */
    uint32_t words_end[MEMO_FRAMES];
    struct memo_word words[MEMO_WORDS];
};

/* A whole stack: it is the same again if pc, sp and, where it matters, fp are, and all the words still hold the same. */
#define MEMO_CHUNK 8
#define MEMO_CHUNKS 8

struct memo_stack {
    uintptr_t pc, sp, fp;
    uint32_t node;
    uint16_t chunks;                    /* 0: free */
    uint16_t fp_live;
    struct {
        uint32_t offsets[MEMO_CHUNK];   /* from sp. Of the last chunk, what is over repeats a word */
        uint64_t values[MEMO_CHUNK];
    } chunk[MEMO_CHUNKS];
} __attribute__((aligned(64)));

#define MEMO_SETS 64
#define MEMO_WAYS 2

struct capture_memo {
    uint32_t generation;                /* of the thread_state that it was kept for; 0: nothing is kept */
    uint32_t epoch;                     /* of the modules */
    uint32_t limit;                     /* num_callers */
    struct memo_walk last;
    struct memo_walk inner;             /* of a walk under way: the new frames, innermost first */
    uint8_t recent[MEMO_SETS];          /* the way of each set that was used last */
    uint32_t candidate[MEMO_SETS];      /* the node of the last stack of each set that was not remembered: if it comes again, it is */
    struct memo_stack stacks[MEMO_SETS][MEMO_WAYS];
};

/* The calling thread's, emptied if it was another thread's or modules or limit have changed. NULL: no memory. */
struct capture_memo *memo_renew(struct thread_state *self, uint32_t epoch, uint32_t limit);

static inline struct capture_memo *memo_of(struct thread_state *self, uint32_t epoch, uint32_t limit)
{
    struct capture_memo *memo = self->memo;
    if (__builtin_expect(memo && memo->generation == self->generation && memo->epoch == epoch && memo->limit == limit, 1))
        return memo;
    return memo_renew(self, epoch, limit);
}

static inline unsigned memo_set(uintptr_t pc, uintptr_t sp)
{
    return (unsigned)((sp >> 4 ^ sp >> 10 ^ pc ^ pc >> 6) & (MEMO_SETS - 1));
}

/* The bits in which eight words of the stack differ from what is remembered of them. No loop: the loads go out at once. */
static inline uint64_t memo_chunk_differs(const struct memo_stack *stack, unsigned chunk, uintptr_t sp)
{
    const uint32_t *offsets = stack->chunk[chunk].offsets;
    const uint64_t *values = stack->chunk[chunk].values;
#define DIFFER(k) (*(const volatile uint64_t *)(sp + offsets[k]) ^ values[k])
    uint64_t differ = DIFFER(0) | DIFFER(1) | DIFFER(2) | DIFFER(3);
    return differ | DIFFER(4) | DIFFER(5) | DIFFER(6) | DIFFER(7);
#undef DIFFER
}

/* The stack that starts at `start`, whose sp is on the thread's own stack, if it is remembered; 0: it is not. */
static inline uint32_t memo_find(struct capture_memo *memo, const struct capture_start *start)
{
    unsigned set = memo_set(start->pc, start->sp);
    for (unsigned way = 0; way < MEMO_WAYS; way++) {
        const struct memo_stack *stack = &memo->stacks[set][way];
        if (stack->pc != start->pc || stack->sp != start->sp || (stack->fp_live && stack->fp != start->fp))
            continue;
        uint64_t differ = 0;
        for (unsigned i = 0; i < stack->chunks && !differ; i++)
            differ = memo_chunk_differs(stack, i, start->sp);
        if (!differ) {
            memo->recent[set] = (uint8_t)way;
            return stack->node;
        }
    }
    return 0;
}

/* Remembers the innermost `frames` frames of memo->last, which start at `start`, as the whole stack `node`, if it is not its first time of
 * late: many stacks come once only, and are not worth another's place. */
void memo_keep(struct capture_memo *memo, const struct capture_start *start, unsigned frames, uint32_t node);

/* The innermost frame i of memo->last, below `limit`, for which all words of the frames 0 … i still hold the same; returns
 * i + 1, 0: none. */
unsigned memo_verify(const struct memo_walk *walk, unsigned limit);

/* Puts the walk's new frames (memo->inner, innermost first, `n` of them) on the outer `kept` frames of memo->last. */
void memo_join(struct capture_memo *memo, unsigned kept, unsigned n);

#endif
