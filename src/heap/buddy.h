/* Buddy: blocks of a power of two of units, over one stretch of memory or a set of them. */
#ifndef MIDDEN_HEAP_BUDDY_H
#define MIDDEN_HEAP_BUDDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/check.h"

#define BUDDY_ORDERS 24     /* a stretch has at most 1 << (BUDDY_ORDERS - 1) units */

struct buddy_link {
    uint32_t prev, next;    /* unit + 1 of the neighbours in the free list; 0: none */
};

/* What a look-up needs. */
struct buddy_view {
    char *base;
    unsigned unit_shift;    /* log2 of the bytes of a unit */
    unsigned top;           /* order of the whole stretch: 1 << top units */
    uint64_t *used;         /* half of the state bitmap: bit per node of the tree of blocks that is in use; atomic */
};

struct buddy {
    char *base;             /* these four as in the view */
    unsigned unit_shift;
    unsigned top;
    uint64_t *used;
    uint64_t *free;         /* the other half: bit per node that is in a free list */
    struct buddy_link *links;           /* per unit; in use where a free block starts */
    uint32_t heads[BUDDY_ORDERS];       /* per order, unit + 1 of the first free block; 0: none */
    uint32_t available;                 /* bit k: heads[k] is not 0 */
    uint32_t free_units;
    struct buddy *next, *prev;          /* in the list of a set */
};

/* Bytes of bookkeeping for a stretch of 1 << top units. */
size_t buddy_book_bytes(unsigned top);

/* Prepares a stretch as one free block. top < BUDDY_ORDERS. book: zeroed, buddy_book_bytes(top), aligned to 8. */
void buddy_init(struct buddy *buddy, char *base, unsigned unit_shift, unsigned top, void *book);

/* A block of 1 << order units. NULL: none large enough. O(orders). */
char *buddy_alloc(struct buddy *buddy, unsigned order);

/* Takes back the block that starts at `block` and returns its order; -1: no block in use starts there. O(orders). */
int buddy_free(struct buddy *buddy, const char *block);

/* The block in use that `address` (within the stretch) lies in. false: in none. Takes no lock: of a block that is in use
 * throughout the call the answer is right. O(orders). */
bool buddy_find(const struct buddy *buddy, const char *address, char **start, unsigned *order);
bool buddy_find_in(const struct buddy_view *view, const char *address, char **start, unsigned *order);

/* Order of the largest free block; -1: none. O(1). */
static inline int buddy_largest(const struct buddy *buddy)
{
    return buddy->available == 0 ? -1 : 31 - __builtin_clz(buddy->available);
}

/* true: nothing is in use. */
static inline bool buddy_is_whole(const struct buddy *buddy) { return buddy->available >> buddy->top & 1; }

/* Calls visit for each free block. The visitor must not change the buddy. */
void buddy_each_free(const struct buddy *buddy, void (*visit)(void *ctx, char *start, size_t bytes), void *ctx);

void buddy_consistent(const struct buddy *buddy, struct check *check);

/* Several stretches of one unit size, found by their largest free block. */
struct buddy_set {
    struct buddy *by_largest[BUDDY_ORDERS + 1];     /* [largest + 1]: [0] has nothing free */
};

void buddy_set_add(struct buddy_set *set, struct buddy *buddy);
void buddy_set_remove(struct buddy_set *set, struct buddy *buddy);

/* As buddy_alloc, from the stretch whose largest free block is the smallest that serves; *from says which. O(orders). */
char *buddy_set_alloc(struct buddy_set *set, unsigned order, struct buddy **from);

/* As buddy_free; `buddy` is in the set. */
int buddy_set_free(struct buddy_set *set, struct buddy *buddy, const char *block);

void buddy_set_consistent(const struct buddy_set *set, struct check *check);

#endif
