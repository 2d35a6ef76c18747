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

/* Outermost frame first, so that what two walks have in common stays where it is. In front of them all is one whose sp is above every
 * other: a search outwards ends there. */
struct memo_walk {
    uint32_t depth;                     /* frames; 0: nothing is remembered */
    uint32_t first;                     /* path[] and node[] are of the stack whose outermost kept frame is this one */
    bool whole;                         /* frame 0 is the outermost of all; else there are more */
    uint32_t linked;                    /* frames from here inwards depend on no word but their return addresses */
    union {
        struct memo_frame all[1 + MEMO_FRAMES];
        struct {
            struct memo_frame outside, frame[MEMO_FRAMES];
        };
    };
    uint64_t path[MEMO_FRAMES];         /* hash of the frames first … i (depot.h) */
    uint32_t node[MEMO_FRAMES];         /* of the same; 0: not known */
};

/* A whole stack: it is the same again if pc, sp and, where it matters, fp are, and all the words still hold the same.
 *
 *     tags[set]     ┌─────┬─────┬─────┬─────┐    compared at once, with some bits of the hash of pc and sp
 *                   └──┬──┴─────┴─────┴─────┘
 *     stacks[set]   ┌──▼──┐┌─────┐┌─────┐┌─────┐  each with room for most stacks' words;
 *                   └─────┘└─────┘└─────┘└─────┘
 *     further[set]  the chunks of those that have more, elsewhere: memory that is mostly never touched */
#define MEMO_CHUNK 8
#define MEMO_CHUNKS 12
#define MEMO_CHUNKS_NEAR 4

struct memo_chunk {
    uint32_t offsets[MEMO_CHUNK];       /* from sp. Of the last chunk, what is over repeats a word */
    uint64_t values[MEMO_CHUNK];
};

struct memo_stack {
    uintptr_t pc, sp, fp;
    uint32_t node;
    uint8_t near, further;              /* chunks: here, and in capture_memo.further */
    uint16_t fp_live;
    struct memo_chunk chunk[MEMO_CHUNKS_NEAR];
} __attribute__((aligned(32)));

#define MEMO_SET_BITS 7
#define MEMO_SETS (1u << MEMO_SET_BITS)
#define MEMO_WAYS 4

struct capture_memo {
    uint32_t epoch;                     /* of the modules */
    uint32_t limit;                     /* num_callers */
    uint32_t before;                    /* the node of the last stack that had to be walked for; 0: none */
    struct memo_walk last;
    union {                             /* of a walk under way, innermost first: */
        struct memo_frame inner[MEMO_FRAMES];   /* its new frames */
        uint64_t plain[MEMO_FRAMES];            /* its frames, when it is not to be remembered */
    };
    uint8_t turn[MEMO_SETS];            /* whose place is taken next: in the low half the way, in the other the candidate */
    /* The last stacks of each set that were not remembered (of node and sp): if one comes again, it is. */
    uint32_t candidates[MEMO_SETS][MEMO_WAYS] __attribute__((aligned(64)));
    uint32_t tags[MEMO_SETS][MEMO_WAYS] __attribute__((aligned(64)));   /* 0: free */
    struct memo_stack stacks[MEMO_SETS * MEMO_WAYS];
    struct memo_chunk further[MEMO_SETS * MEMO_WAYS][MEMO_CHUNKS - MEMO_CHUNKS_NEAR];
};

/* The calling thread's, emptied if it was another thread's or modules or limit have changed. NULL: no memory. */
struct capture_memo *memo_renew(struct thread_state *self, uint32_t epoch, uint32_t limit);

/* modules: modules_now(). true: there is a memo, and what it keeps holds. */
static inline bool memo_is_good(const struct thread_state *self, uint64_t modules, uint32_t limit)
{
    return self->memo_modules == modules && self->memo->limit == limit;
}

static inline struct capture_memo *memo_of(struct thread_state *self, uint32_t epoch, uint32_t limit)
{
    return __builtin_expect(memo_is_good(self, epoch, limit), 1) ? self->memo : memo_renew(self, epoch, limit);
}

/* Of pc and sp. The uppermost bits choose the set, those below them are the tag. */
static inline uint64_t memo_hash(uintptr_t pc, uintptr_t sp)
{
    return (((uint64_t)pc << 17) + sp) * 0x9e3779b97f4a7c15ull;
}
static inline unsigned memo_set(uint64_t hash) { return (unsigned)(hash >> (64 - MEMO_SET_BITS)); }
static inline uint32_t memo_tag(uint64_t hash) { return (uint32_t)(hash >> (32 - MEMO_SET_BITS)) | 1; }

/* A bit for each way of a set that has this tag. */
static inline unsigned memo_alike(const uint32_t tags[MEMO_WAYS], uint32_t tag)
{
    typedef uint32_t row __attribute__((vector_size(4 * MEMO_WAYS)));
    row equal = (row)(*(const row *)(const void *)tags == (row){tag, tag, tag, tag});
#if defined(__SSE2__)
    typedef float floats __attribute__((vector_size(4 * MEMO_WAYS)));
    return (unsigned)__builtin_ia32_movmskps((floats)equal);
#else
    return (equal[0] & 1) | (equal[1] & 2) | (equal[2] & 4) | (equal[3] & 8);
#endif
}

/* Not volatile: a compiler may then read memory in the instruction that compares, which is a fifth of a capture's. */
static inline uint64_t memo_load(uintptr_t address)
{
    typedef uint64_t __attribute__((may_alias)) word;
    return *(const word *)address;
}

/* The bits in which eight words of the stack differ from what is remembered of them. No loop: the loads go out at once. */
static inline uint64_t memo_chunk_differs(const struct memo_chunk *chunk, uintptr_t sp)
{
#define DIFFER(k) (memo_load(sp + chunk->offsets[k]) ^ chunk->values[k])
    uint64_t differ = DIFFER(0) | DIFFER(1) | DIFFER(2) | DIFFER(3);
    return differ | DIFFER(4) | DIFFER(5) | DIFFER(6) | DIFFER(7);
#undef DIFFER
}

static inline bool memo_chunks_same(const struct memo_chunk *chunk, unsigned n, uintptr_t sp)
{
    for (; n; n--, chunk++)
        if (memo_chunk_differs(chunk, sp))
            return false;
    return true;
}

/* true: that is the stack that starts at `start`, whose sp is on the thread's own stack. */
static inline bool memo_same(const struct capture_memo *memo, const struct memo_stack *stack, const struct capture_start *start)
{
    if (__builtin_expect(stack->pc != start->pc || stack->sp != start->sp, 0) || (stack->fp_live && stack->fp != start->fp))
        return false;
    /* Where several stacks were met at a place, mostly by this one word (memo_remember). */
    if (memo_load(start->sp + stack->chunk[0].offsets[0]) != stack->chunk[0].values[0])
        return false;
    return memo_chunks_same(stack->chunk, stack->near, start->sp)
        && (__builtin_expect(!stack->further, 1) || memo_chunks_same(memo->further[stack - memo->stacks], stack->further, start->sp));
}

/* The stack that starts at `start`, whose sp is on the thread's own stack, if it is remembered; 0: it is not. A branch for each way: which
 * one it will be the processor foresees, and need not wait for its place to be computed. */
static inline uint32_t memo_find(const struct capture_memo *memo, const struct capture_start *start)
{
    uint64_t hash = memo_hash(start->pc, start->sp);
    uint32_t tag = memo_tag(hash);
    const uint32_t *tags = memo->tags[memo_set(hash)];
    const struct memo_stack *stack = memo->stacks + memo_set(hash) * MEMO_WAYS;
    for (const uint32_t *end = tags + MEMO_WAYS; tags < end; tags++, stack++)
        if (*tags == tag && memo_same(memo, stack, start))
            return stack->node;
    return 0;
}

/* Remembers memo->last from its frame `first` inwards, which starts at `start`, as the whole stack `node`. */
void memo_remember(struct capture_memo *memo, const struct capture_start *start, unsigned first, uint32_t node);

/* The same if it is not its first time of late: many stacks come once only, and are not worth another's place. */
static inline void memo_keep(struct capture_memo *memo, const struct capture_start *start, unsigned first, uint32_t node)
{
    unsigned set = memo_set(memo_hash(start->pc, start->sp));
    uint32_t *candidates = memo->candidates[set], is = node ^ (uint32_t)(start->sp << 20);
    if (memo_alike(candidates, is)) {
        memo_remember(memo, start, first, node);
    } else {
        candidates[memo->turn[set] >> 4 & (MEMO_WAYS - 1)] = is;
        memo->turn[set] = (uint8_t)(memo->turn[set] + 16);
    }
}

/* The outermost of the frames 0 … limit - 1 whose words do not hold the same any more; limit: they all do. */
unsigned memo_verify(const struct memo_walk *walk, unsigned limit);

#endif
