/* Watermark: objects that are given back all at once. */
#ifndef MIDDEN_HEAP_WATERMARK_H
#define MIDDEN_HEAP_WATERMARK_H

#include "heap/check.h"
#include "heap/heap.h"

struct watermark_chunk;

struct watermark {
    const struct heap_hooks *hooks;
    size_t page_size;                   /* bytes, power of two */
    size_t chunk_bytes;                 /* asked from alloc_pages at a time */
    struct watermark_chunk *chunks;     /* newest first; objects are cut from the first one */
    uintptr_t next, end;                /* what is left of the first chunk, half-open */
    size_t held;                        /* bytes of all chunks, as mapped */
    size_t taken;                       /* bytes of all objects */
};

/* chunk_bytes: multiple of page_size. Takes no memory yet; the hooks must outlive the watermark. */
void watermark_init(struct watermark *mark, const struct heap_hooks *hooks, size_t page_size, size_t chunk_bytes);

/* `bytes` zeroed bytes aligned to `align` (a power of two, at most page_size). NULL: no memory; nothing has changed. O(1). */
void *watermark_take(struct watermark *mark, size_t bytes, size_t align);

/* Gives every chunk back: all objects are gone. */
void watermark_clear(struct watermark *mark);

void watermark_consistent(const struct watermark *mark, struct check *check);

#endif
