/* The hooks as short functions. */
#ifndef MIDDEN_HEAP_PORT_H
#define MIDDEN_HEAP_PORT_H

#include "heap/heap.h"

static inline void port_lock(const struct heap_hooks *hooks, struct heap_lock *lock) { hooks->lock(hooks->ctx, lock); }
static inline void port_unlock(const struct heap_hooks *hooks, struct heap_lock *lock) { hooks->unlock(hooks->ctx, lock); }

/* Bookkeeping stands between two inaccessible pages where the port can protect, so that an overrun that leaves the blocks' memory
 * faults instead of walking into it. `bytes`: whole pages, without those two. */
static inline size_t port_kept_bytes(const struct heap_hooks *hooks, size_t bytes, size_t page_size)
{
    return hooks->protect == NULL ? bytes : bytes + 2 * page_size;
}

static inline void *port_alloc_kept(const struct heap_hooks *hooks, size_t bytes, size_t page_size)
{
    char *pages = hooks->alloc_pages(hooks->ctx, port_kept_bytes(hooks, bytes, page_size), page_size);
    if (pages == NULL || hooks->protect == NULL)
        return pages;
    hooks->protect(hooks->ctx, pages, page_size, false);
    hooks->protect(hooks->ctx, pages + page_size + bytes, page_size, false);
    return pages + page_size;
}

static inline void port_free_kept(const struct heap_hooks *hooks, void *pages, size_t bytes, size_t page_size)
{
    hooks->free_pages(hooks->ctx, (char *)pages - (hooks->protect == NULL ? 0 : page_size), port_kept_bytes(hooks, bytes, page_size));
}

/* A new region: before its first block is handed out. The caller has filled it in; version is odd. */
static inline bool port_region_opened(const struct heap_hooks *hooks, struct heap_region *region)
{
    region->user = 0;
    if (hooks->region_opened)
        hooks->region_opened(hooks->ctx, region);
    if (region->user == HEAP_REFUSED)
        return false;
    __atomic_store_n(&region->version, (region->version | 1) + 1, __ATOMIC_RELEASE);
    return true;
}

/* Closing one: no block lives in it, and look-ups no longer hold. Its memory and tags may go afterwards. */
static inline void port_region_closed(const struct heap_hooks *hooks, struct heap_region *region)
{
    __atomic_store_n(&region->version, region->version | 1, __ATOMIC_RELEASE);
    if (hooks->region_closed)
        hooks->region_closed(hooks->ctx, region);
}

#endif
