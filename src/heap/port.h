/* The hooks as short functions. */
#ifndef MIDDEN_HEAP_PORT_H
#define MIDDEN_HEAP_PORT_H

#include "heap/heap.h"

static inline void port_lock(const struct heap_hooks *hooks, struct heap_lock *lock) { hooks->lock(hooks->ctx, lock); }
static inline void port_unlock(const struct heap_hooks *hooks, struct heap_lock *lock) { hooks->unlock(hooks->ctx, lock); }

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
