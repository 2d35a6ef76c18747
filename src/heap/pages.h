/* Pages: runs of pages for the other engines, from arenas that come through the hooks; and the map from addresses to owners. */
#ifndef MIDDEN_HEAP_PAGES_H
#define MIDDEN_HEAP_PAGES_H

#include "heap/buddy.h"
#include "heap/check.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/pagemap.h"

#define PAGES_HELD 2u       /* pagemap value of memory that the heap holds and no region owns. Other values: a region's address */

struct page_arena;

struct page_run {
    char *start;
    size_t bytes;               /* a power of two of pages */
    struct page_arena *arena;
    bool zeroed;                /* never handed out before */
};

struct pages {
    const struct heap_hooks *hooks;
    struct meta *meta;
    size_t page_size;
    unsigned page_shift;
    size_t arena_bytes;         /* what is asked from alloc_pages first */
    struct heap_lock lock;      /* guards all below */
    struct buddy_set buddies;
    struct pool arenas;         /* descriptors; guarded by the lock of `meta` */
    struct page_arena *first;   /* all arenas, newest first */
    size_t held_bytes;          /* of all arenas */
    size_t free_bytes;          /* in free runs */
    size_t stale_bytes;         /* of those, written at some time and not discarded since */
    unsigned whole;             /* arenas with nothing in use */
    struct pagemap map;         /* read without the lock */
};

/* `pages` is zeroed memory. arena_bytes: a power of two of pages. */
void pages_init(struct pages *pages, const struct heap_hooks *hooks, struct meta *meta, size_t page_size, size_t arena_bytes, uint32_t rank);

/* A run of `bytes`, a power of two of pages, at most arena_bytes. false: no memory. Not entered in the map. */
bool pages_take(struct pages *pages, size_t bytes, struct page_run *run);

/* Takes a run back; nobody owns it any more. */
void pages_give(struct pages *pages, const struct page_run *run);

/* Enters `owner` (a region, or NULL for memory that leaves the heap) for the pages of [start, start + bytes).
 * false: no memory for the map; nothing has changed. */
bool pages_own(struct pages *pages, const char *start, size_t bytes, const struct heap_region *owner);
/* The pages of a run have no owner any more. Cannot fail after pages_own over exactly the run. */
void pages_disown(struct pages *pages, const char *start, size_t bytes);

/* The region around `address`; NULL: none. Lock-free. The region may be closing: see its version. */
static inline struct heap_region *pages_owner(const struct pages *pages, const void *address)
{
    uint64_t value = pagemap_get(&pages->map, address);
    return value <= PAGES_HELD ? NULL : (struct heap_region *)(uintptr_t)value;
}

/* Discards free pages and gives arenas back that are wholly free. Returns the bytes. */
size_t pages_trim(struct pages *pages);

/* Bytes of the largest free run. */
size_t pages_largest(struct pages *pages);

void pages_consistent(struct pages *pages, struct check *check);

#endif
