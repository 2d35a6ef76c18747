/* Entries: the tags of a placed region, each beside the address of its block. */
#ifndef MIDDEN_HEAP_ENTRIES_H
#define MIDDEN_HEAP_ENTRIES_H

#include "heap/bits.h"
#include "heap/check.h"
#include "heap/heap.h"
#include "heap/meta.h"

#define ENTRY_NONE UINT32_MAX

struct entries {
    struct heap_region *region; /* whose tags and slots these are */
    size_t step;                /* bytes from entry to entry: 8 + tag_bytes */
    uint32_t capacity;
    uintptr_t *owner;           /* per entry: the block's bookkeeping (even), or its place in the queue: next entry * 2 + 1 */
    uint32_t oldest, newest;    /* the queue of entries given back; ENTRY_NONE: empty */
    uint32_t waiting;           /* in the queue */
    void *book;                 /* owner and tags, from meta */
};

/* Makes the arrays for `capacity` entries and sets region->tags and region->slots. false: no memory. */
bool entries_open(struct entries *entries, struct heap_region *region, struct meta *meta, uint32_t capacity, size_t tag_bytes);
void entries_close(struct entries *entries, struct meta *meta);

/* An entry for a block of which `address` is the part with the wanted alignment. ENTRY_NONE: none left. */
uint32_t entries_take(struct entries *entries, char *address, void *owner);
/* The block is free; its entry keeps address and tag until it is taken again, which it is after all given back before. */
void entries_give(struct entries *entries, uint32_t entry);

static inline char *entry_at(const struct entries *entries, uint32_t entry) { return (char *)entries->region->tags + entry * entries->step; }
static inline char *entry_address(const struct entries *entries, uint32_t entry) { return (char *)LOAD(*(uintptr_t *)(void *)entry_at(entries, entry)); }
static inline void *entry_tag(const struct entries *entries, uint32_t entry) { return entry_at(entries, entry) + 8; }
/* NULL: the entry is free. */
static inline void *entry_owner(const struct entries *entries, uint32_t entry)
{
    uintptr_t owner = entries->owner[entry];
    return owner & 1 ? NULL : (void *)owner;
}

/* Returns the entries in use. */
uint32_t entries_consistent(const struct entries *entries, struct check *check);

#endif
