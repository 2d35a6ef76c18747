/* Huge: blocks with pages of their own. */
#ifndef MIDDEN_HEAP_HUGE_H
#define MIDDEN_HEAP_HUGE_H

#include "heap/check.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/pages.h"

struct huge_block;

struct huge {
    const struct heap_hooks *hooks;
    struct meta *meta;
    struct pages *pages;
    size_t tag_bytes, phase, page_size;
    struct heap_lock lock;      /* guards all below */
    struct pool descriptors;    /* with entry and tag; guarded by the lock of `meta` */
    struct huge_block *first;
    size_t requested, mapped, blocks;
};

/* `huge` is zeroed memory. */
void huge_init(struct huge *huge, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, const struct heap_config *config, uint32_t rank);

/* As heap_alloc. */
bool huge_alloc(struct huge *huge, size_t room, size_t align, struct heap_block *block);
void huge_free(struct huge *huge, const struct heap_block *block);

/* Grows within the last page, and shrinks, giving the pages behind back. */
bool huge_resize(struct huge *huge, struct heap_block *block, size_t room);

/* O(1), lock-free. */
bool huge_find(const struct huge *huge, struct heap_region *region, const char *address, struct heap_block *block);

void huge_stats(struct huge *huge, struct heap_engine_stats *stats);
void huge_consistent(struct huge *huge, struct check *check);

#endif
