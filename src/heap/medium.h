/* Medium: the free list as an engine of the heap: arenas as placed regions, blocks with entries. */
#ifndef MIDDEN_HEAP_MEDIUM_H
#define MIDDEN_HEAP_MEDIUM_H

#include "heap/check.h"
#include "heap/freelist.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/pages.h"

struct medium_arena;

struct medium {
    const struct heap_hooks *hooks;
    struct meta *meta;
    struct pages *pages;
    size_t tag_bytes, phase;
    size_t arena_bytes;         /* of a new arena, less when memory is short */
    size_t least;               /* bytes of the smallest segment given out: bounds the entries that an arena can need */
    struct heap_lock lock;      /* guards all below */
    struct watermark nodes;     /* of `segments` */
    struct pool segments;
    struct pool arenas;         /* descriptors; guarded by the lock of `meta` */
    struct freelist list;
    struct medium_arena *first;
    unsigned whole;             /* arenas with nothing in use */
    size_t requested;           /* bytes asked for, living blocks */
};

/* `medium` is zeroed memory. least: a multiple of GRAIN. */
void medium_init(struct medium *medium, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, const struct heap_config *config,
                 size_t arena_bytes, size_t least, uint32_t rank);

/* As heap_alloc. room, align: at most a quarter of arena_bytes. */
bool medium_alloc(struct medium *medium, size_t room, size_t align, struct heap_block *block);
void medium_free(struct medium *medium, const struct heap_block *block);
bool medium_resize(struct medium *medium, struct heap_block *block, size_t room);

/* The block around an address whose page belongs to `region`, an arena of this engine. In a free stretch: the block that began
 * there last, if it is remembered (used is then false). Takes the lock only for those, or when the arena keeps changing. */
bool medium_find(struct medium *medium, struct heap_region *region, const char *address, struct heap_block *block);

void medium_stats(struct medium *medium, struct heap_engine_stats *stats);
size_t medium_trim(struct medium *medium);
void medium_consistent(struct medium *medium, struct check *check);

#endif
