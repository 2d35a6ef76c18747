/* Large: the buddy as an engine of the heap: arenas as placed regions, blocks with entries. */
#ifndef MIDDEN_HEAP_LARGE_H
#define MIDDEN_HEAP_LARGE_H

#include "heap/buddy.h"
#include "heap/check.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/pages.h"

struct large_arena;

struct large {
    const struct heap_hooks *hooks;
    struct meta *meta;
    struct pages *pages;
    size_t tag_bytes, phase;
    size_t arena_bytes;         /* of a new arena, less when memory is short */
    unsigned unit_shift;        /* log2 of the smallest block */
    struct heap_lock lock;      /* guards all below */
    struct buddy_set buddies;
    struct pool arenas;         /* descriptors; guarded by the lock of `meta` */
    struct large_arena *first;
    unsigned whole;             /* arenas with nothing in use */
    size_t requested, occupied, blocks;     /* of living blocks */
    size_t mapped;
};

/* `large` is zeroed memory. */
void large_init(struct large *large, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, const struct heap_config *config,
                size_t arena_bytes, unsigned unit_shift, uint32_t rank);

/* As heap_alloc. room, align: at most a quarter of arena_bytes. */
bool large_alloc(struct large *large, size_t room, size_t align, struct heap_block *block);
void large_free(struct large *large, const struct heap_block *block);
bool large_resize(struct large *large, struct heap_block *block, size_t room);

/* The block around an address whose page belongs to `region`, an arena of this engine. In a free stretch: the block that began
 * there last (used is then false). Lock-free, O(orders). */
bool large_find(const struct large *large, struct heap_region *region, const char *address, struct heap_block *block);

void large_stats(struct large *large, struct heap_engine_stats *stats);
size_t large_trim(struct large *large);
void large_consistent(struct large *large, struct check *check);

#endif
