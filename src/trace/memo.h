/* What a thread remembers of its captures, so that the next one need not walk: the last walk, and many whole stacks. */
#ifndef MIDDEN_TRACE_MEMO_H
#define MIDDEN_TRACE_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/capture.h"
#include "trace/threads.h"

#define MEMO_FRAMES 384                 /* frames of a walk that are remembered */

/* One frame of a walk on the thread's own stack and by plain rules, and what the step into it from its callee depended on:
 *
 *     the word at sp - 8 was pc;
 *     link:  63             48 47             3 2  1   0
 *           ┌─────────────────┬────────────────┬────┬────┐
 *           │ distance, words │ slot (address) │    │live│
 *           └─────────────────┴────────────────┴────┴────┘
 *     live: the walk from here outwards depends on fp; slot: the word there was fp (0: fp is that of the callee, or does not
 *     matter); distance: the word so far below sp was sp (a frame that had been realigned; 0: sp was computed).
 *
 * A walk that ended because a return address was 0 has an outermost frame whose pc is 0: it tells that there is no caller. */
struct memo_frame {
    uintptr_t pc;
    uintptr_t sp;                       /* stack pointer in the frame, after its call has returned */
    uintptr_t fp;
    uint64_t link;
};
#define MEMO_FP_LIVE 1u
#define MEMO_DISTANCE_SHIFT 48
#define MEMO_DISTANCE_MAX 0xffffu
#define MEMO_SLOT ((1ull << MEMO_DISTANCE_SHIFT) - 8)

/* Outermost frame first, so that what two walks have in common stays where it is. */
struct memo_walk {
    uint32_t depth;                     /* frames; 0: nothing is remembered */
    uint32_t first;                     /* path[] and node[] are of the stack whose outermost kept frame is this one */
    bool whole;                         /* frame 0 is the outermost of all; else there are more */
    struct memo_frame frame[MEMO_FRAMES];
    uint64_t path[MEMO_FRAMES];         /* hash of the frames first … i (depot.h) */
    uint32_t node[MEMO_FRAMES];         /* of the same; 0: not known */
};

/* A whole stack: it is the same again if pc, sp and, where it matters, fp are, and all the words still hold the same. */
#define MEMO_CHUNK 8
#define MEMO_CHUNKS 12

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

#define MEMO_SETS 128
#define MEMO_WAYS 2

struct capture_memo {
    uint32_t generation;                /* of the thread_state that it was kept for; 0: nothing is kept */
    uint32_t epoch;                     /* of the modules */
    uint32_t limit;                     /* num_callers */
    uint32_t before;                    /* the node of the last stack that had to be walked for; 0: none */
    struct memo_walk last;
    union {                             /* of a walk under way, innermost first: */
        struct memo_frame inner[MEMO_FRAMES];   /* its new frames */
        uint64_t plain[MEMO_FRAMES];            /* its frames, when it is not to be remembered */
    };
    uint8_t recent[MEMO_SETS];          /* the way of each set that was used last */
    uint32_t candidate[MEMO_SETS];      /* the last stack of each set that was not remembered (of its node and sp): if it comes again, it is */
    struct memo_stack stacks[MEMO_SETS][MEMO_WAYS];
};

/* The calling thread's, emptied if it was another thread's or modules or limit have changed. NULL: no memory. */
struct capture_memo *memo_renew(struct thread_state *self, uint32_t epoch, uint32_t limit);

static inline bool memo_is_of(const struct capture_memo *memo, const struct thread_state *self, uint32_t epoch, uint32_t limit)
{
    return memo->generation == self->generation && memo->epoch == epoch && memo->limit == limit;
}

static inline struct capture_memo *memo_of(struct thread_state *self, uint32_t epoch, uint32_t limit)
{
    struct capture_memo *memo = self->memo;
    if (__builtin_expect(memo && memo_is_of(memo, self, epoch, limit), 1))
        return memo;
    return memo_renew(self, epoch, limit);
}

static inline unsigned memo_set(uintptr_t pc, uintptr_t sp)
{
    return (unsigned)((sp >> 4 ^ sp >> 10 ^ pc ^ pc >> 6) & (MEMO_SETS - 1));
}

/* Not volatile: a compiler may then read memory in the instruction that compares, which is a fifth of a capture's. */
static inline uint64_t memo_load(uintptr_t address)
{
    typedef uint64_t __attribute__((may_alias)) word;
    return *(const word *)address;
}

/* The bits in which eight words of the stack differ from what is remembered of them. No loop: the loads go out at once. */
static inline uint64_t memo_chunk_differs(const struct memo_stack *stack, unsigned chunk, uintptr_t sp)
{
    const uint32_t *offsets = stack->chunk[chunk].offsets;
    const uint64_t *values = stack->chunk[chunk].values;
#define DIFFER(k) (memo_load(sp + offsets[k]) ^ values[k])
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

/* Remembers memo->last from its frame `first` inwards, which starts at `start`, as the whole stack `node`. */
void memo_remember(struct capture_memo *memo, const struct capture_start *start, unsigned first, uint32_t node);

/* The same if it is not its first time of late: many stacks come once only, and are not worth another's place. */
static inline void memo_keep(struct capture_memo *memo, const struct capture_start *start, unsigned first, uint32_t node)
{
    uint32_t *candidate = &memo->candidate[memo_set(start->pc, start->sp)], is = node ^ (uint32_t)(start->sp << 20);
    if (*candidate == is)
        memo_remember(memo, start, first, node);
    else
        *candidate = is;
}

/* The outermost of the frames 0 … limit - 1 whose words do not hold the same any more; limit: they all do. */
unsigned memo_verify(const struct memo_walk *walk, unsigned limit);

#endif
