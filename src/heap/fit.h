/* Fit: which free segment serves a request. The set of free segments, ordered for the policy in force. */
#ifndef MIDDEN_HEAP_FIT_H
#define MIDDEN_HEAP_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/check.h"
#include "heap/heap.h"

/* A stretch of an arena, free or in use. The segments of an arena follow each other without a gap. */
struct segment {
    char *start;
    size_t bytes;
    struct segment *prev, *next;        /* neighbours by address; NULL at the arena's ends */
    struct segment *left, *right;       /* free: children in the tree, or neighbours in the bin */
    size_t weight;                      /* free, in a tree: largest size in the subtree. In use: bytes asked for, the owner's */
    struct freelist_arena *arena;
    uint32_t slot;                      /* the owner's */
    bool used;
};

/* tlsf: bins by size in two levels. */
#define BIN_LEVELS 34                   /* first level: powers of two from 512 bytes up; level 0 takes what is smaller */
#define BIN_SHIFT 5
#define BIN_STEPS (1u << BIN_SHIFT)     /* second level: linear steps within a power of two */

struct bins {
    uint64_t levels;                            /* bit per level that has a bin that is not empty */
    uint32_t steps[BIN_LEVELS];                 /* bit per bin that is not empty */
    struct segment *heads[BIN_LEVELS][BIN_STEPS];
    size_t largest;                             /* bytes of the largest segment, if known */
    bool largest_known;
};

struct fit {
    enum heap_fit policy;
    struct segment *root;               /* first, next: tree by address; best, worst: tree by size, then address */
    char *cursor;                       /* next: where the last allocation ended */
    size_t free_bytes;
    struct bins bins;                   /* tlsf */
};

void fit_init(struct fit *fit, enum heap_fit policy);
void fit_insert(struct fit *fit, struct segment *segment);
void fit_remove(struct fit *fit, struct segment *segment);

/* The policy's choice among the segments that hold `bytes` at an address with (address + phase) % align == 0; still in the set.
 * NULL: there is none (tlsf: or none in the bins that are sure to serve and none among the first few of the bin below). */
struct segment *fit_choose(struct fit *fit, size_t bytes, size_t phase, size_t align);

/* Bytes of the largest free segment, 0: none. O(1), O(log n) for first and next; tlsf walks the top bin when its largest was
 * taken. */
size_t fit_largest(struct fit *fit);

/* next: allocation has ended at `end`. */
static inline void fit_moved(struct fit *fit, char *end) { fit->cursor = end; }
/* next: two segments became one at [start, end): the cursor does not point into its middle. */
static inline void fit_joined(struct fit *fit, char *start, char *end)
{
    if (fit->cursor > start && fit->cursor < end)
        fit->cursor = start;
}

/* The number of segments in the set; checks its order on the way. */
size_t fit_consistent(const struct fit *fit, struct check *check);

/* Bytes that a request takes from the front of `segment` before its own start; SIZE_MAX: it does not fit. */
size_t fit_gap(const struct segment *segment, size_t bytes, size_t phase, size_t align);

#endif
