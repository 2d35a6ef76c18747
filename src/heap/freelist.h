/* Free list: exact-size segments in address order, over any number of stretches of memory (arenas), with a choice of policy.
 * An engine by itself: give it a pool for its segments and memory to cut up. */
#ifndef MIDDEN_HEAP_FREELIST_H
#define MIDDEN_HEAP_FREELIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/check.h"
#include "heap/fit.h"
#include "heap/heap.h"
#include "heap/pool.h"

#define FREELIST_CELL_SHIFT 10      /* the index finds the first segment of every KiB */

/* One arena's index and ends. */
struct freelist_arena {
    char *base;
    size_t bytes;                   /* multiple of GRAIN */
    struct segment *first;          /* lowest segment; never NULL */
    struct segment **cells;         /* per cell: the first segment that starts in it, or NULL */
    uint64_t *filled, *summary;     /* bit per cell that is not NULL; bit per word of `filled` that is not 0 */
    size_t fresh;                   /* no byte at this offset or above was ever handed out */
    uint32_t version;               /* odd while segments change; atomic */
};

struct freelist {
    struct fit fit;
    struct pool *segments;
    size_t arena_bytes;             /* of all arenas */
    size_t used_bytes;              /* in segments in use, rounding included */
    size_t free_segments, used_segments;
    size_t stale;                   /* bytes at the start of the segment given out last that may hold old contents; what lies
                                       above them was never handed out before */
};

/* What a look-up without a lock saw of a segment. */
struct segment_view {
    char *start;
    size_t bytes;
    bool used;
    uint32_t slot;
    struct segment *segment;
};

/* `segments` makes objects of sizeof(struct segment), aligned to 16 or more, with a link outside `next`, `start` and `bytes`. */
void freelist_init(struct freelist *list, enum heap_fit policy, struct pool *segments);
void freelist_pool(struct pool *segments, struct watermark *from);      /* makes such a pool */

/* Bytes of bookkeeping for an arena. */
size_t freelist_book_bytes(size_t bytes);

/* Adds [base, base + bytes) as one free segment. book: zeroed, freelist_book_bytes(bytes), aligned to 8. fresh: the memory was
 * never written. false: no segment to be had; nothing has changed. */
bool freelist_add(struct freelist *list, struct freelist_arena *arena, char *base, size_t bytes, void *book, bool fresh);

/* Takes an arena with nothing in use out again. */
void freelist_remove(struct freelist *list, struct freelist_arena *arena);

/* A segment of `bytes` (rounded up to GRAIN; 0 counts as 1) with (start + phase) % align == 0. NULL: nothing fits; what is
 * larger than freelist_largest is refused without a walk. The segment may be larger than asked when no node can be had for the
 * rest. */
struct segment *freelist_alloc(struct freelist *list, size_t bytes, size_t phase, size_t align);

/* Takes a segment back, joins it with its free neighbours and returns the result. Needs no memory. */
struct segment *freelist_free(struct freelist *list, struct segment *segment);

/* Changes the size of a segment in use where it is; true: it is now at least `bytes`. Growth takes from a free neighbour above. */
bool freelist_resize(struct freelist *list, struct segment *segment, size_t bytes);

/* The segment around `address`, which lies in the arena. O(1): at most 64 steps from the index. Caller holds the lock. */
struct segment *freelist_find(const struct freelist_arena *arena, const char *address);

/* The same without a lock. false: the arena was changing all the while; ask again under the lock. */
bool freelist_look(const struct freelist_arena *arena, const char *address, struct segment_view *view);

/* Bytes of the largest free segment, 0: none. */
static inline size_t freelist_largest(struct freelist *list) { return fit_largest(&list->fit); }

/* true: the arena is one free segment. */
static inline bool freelist_is_whole(const struct freelist_arena *arena)
{
    return !arena->first->used && arena->first->bytes == arena->bytes;
}

/* Discards the whole pages inside the arena's free segments, where they may hold old contents; returns their bytes. */
size_t freelist_discard(struct freelist_arena *arena, const struct heap_hooks *hooks, size_t page_size);

/* Checks one arena, and the list as a whole against the arenas checked since the count was zeroed by the caller. */
struct freelist_count { size_t arena_bytes, used_bytes, free_segments, used_segments, largest; };
void freelist_arena_consistent(const struct freelist_arena *arena, struct freelist_count *count, struct check *check);
void freelist_consistent(struct freelist *list, const struct freelist_count *count, struct check *check);

#endif
