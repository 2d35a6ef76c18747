/* Page map: from an address to what its page belongs to, in O(1) and without a lock. */
#ifndef MIDDEN_HEAP_PAGEMAP_H
#define MIDDEN_HEAP_PAGEMAP_H

#include "heap/bits.h"
#include "heap/check.h"
#include "heap/heap.h"

#define PAGEMAP_UNIT_SHIFT 12       /* a leaf covers 4 KiB, whatever the kernel's page size */
#define PAGEMAP_NODE_SHIFT 12       /* children of a node */
#define PAGEMAP_CHILDREN ((size_t)1 << PAGEMAP_NODE_SHIFT)
#define PAGEMAP_CHUNK_SHIFT (PAGEMAP_UNIT_SHIFT + PAGEMAP_NODE_SHIFT)       /* 16 MiB under a child of the middle level */
#define PAGEMAP_ROOT_SHIFT (PAGEMAP_CHUNK_SHIFT + PAGEMAP_NODE_SHIFT)       /* 64 GiB under a child of the root */

/* A word of the map: 0 nothing, a node's address + 1, or a value: any other word with bit 0 clear. Atomic. */
struct pagemap {
    const struct heap_hooks *hooks;
    size_t page_size;
    size_t node_bytes;              /* of a node's memory, whole pages */
    size_t nodes;
    uint64_t root[PAGEMAP_CHILDREN];
};

/* `map` is zeroed memory; node_bytes is PAGEMAP_CHILDREN words rounded up to pages. */
void pagemap_init(struct pagemap *map, const struct heap_hooks *hooks, size_t page_size);

/* Gives all pages of [start, start + bytes) the value. false: no memory for a node; nothing has changed. start and bytes are
 * multiples of 4 KiB. Writers are serialised by the caller. Where the range had one single value, set over exactly it, or where
 * all its nodes are there, it cannot fail. */
bool pagemap_set(struct pagemap *map, const char *start, size_t bytes, uint64_t value);

/* The value of the page that `address` lies in; 0: none. Any address may be asked for: bits above 48 are ignored, so the
 * caller compares with the extent of what was found. */
static inline uint64_t pagemap_get(const struct pagemap *map, const void *address)
{
    uintptr_t at = (uintptr_t)address;
    uint64_t word = LOAD_ACQUIRE(map->root[at >> PAGEMAP_ROOT_SHIFT & (PAGEMAP_CHILDREN - 1)]);
    if (!(word & 1))
        return word;
    word = LOAD_ACQUIRE(((uint64_t *)(uintptr_t)(word - 1))[at >> PAGEMAP_CHUNK_SHIFT & (PAGEMAP_CHILDREN - 1)]);
    if (!(word & 1))
        return word;
    return LOAD_ACQUIRE(((uint64_t *)(uintptr_t)(word - 1))[at >> PAGEMAP_UNIT_SHIFT & (PAGEMAP_CHILDREN - 1)]);
}

/* The leaf that has the word of the page that `address` lies in, for its 16 MiB; NULL: there is none. Once there, it is for ever. */
static inline const uint64_t *pagemap_leaf(const struct pagemap *map, const void *address)
{
    uintptr_t at = (uintptr_t)address;
    uint64_t word = LOAD_ACQUIRE(map->root[at >> PAGEMAP_ROOT_SHIFT & (PAGEMAP_CHILDREN - 1)]);
    if (word & 1)
        word = LOAD_ACQUIRE(((uint64_t *)(uintptr_t)(word - 1))[at >> PAGEMAP_CHUNK_SHIFT & (PAGEMAP_CHILDREN - 1)]);
    return word & 1 ? (const uint64_t *)(uintptr_t)(word - 1) : NULL;
}

#endif
