/* Meta: memory for the heap's own bookkeeping, apart from the memory it gives out. */
#ifndef MIDDEN_HEAP_META_H
#define MIDDEN_HEAP_META_H

#include "heap/check.h"
#include "heap/freelist.h"
#include "heap/heap.h"
#include "heap/pool.h"
#include "heap/watermark.h"

#define META_ALIGN ((size_t)64)

struct meta_arena {
    struct freelist_arena arena;
    struct meta_arena *next;
};

struct meta {
    const struct heap_hooks *hooks;
    size_t page_size;
    struct heap_lock lock;          /* guards all below, and the pools that are cut from `objects` */
    struct watermark objects;       /* descriptors, segments, magazines: never given back */
    struct pool segments;
    struct freelist list;           /* arrays of any size */
    struct meta_arena *arenas;
    size_t stale;                   /* bytes freed and neither used again nor discarded since, about */
};

void meta_init(struct meta *meta, const struct heap_hooks *hooks, size_t page_size, uint32_t rank);

/* `bytes` of zeroed memory aligned to META_ALIGN, a line of the cache: what lies in it at such a distance is written by one thread without
 * disturbing another. NULL: no memory. Untouched until the caller touches it, where it is new. */
void *meta_alloc(struct meta *meta, size_t bytes);

/* Takes memory from meta_alloc back. It is never unmapped: who still reads it reads old or foreign bookkeeping, but does not
 * fault. NULL is fine. */
void meta_free(struct meta *meta, void *memory);

/* A pool's object, under the lock. */
void *meta_take(struct meta *meta, struct pool *pool);
void meta_give(struct meta *meta, struct pool *pool, void *object);

/* Discards whole pages of free memory; returns their bytes. */
size_t meta_trim(struct meta *meta);

/* Bytes mapped. */
size_t meta_bytes(struct meta *meta);

void meta_consistent(struct meta *meta, struct check *check);

#endif
