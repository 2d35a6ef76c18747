/* Entries: per placed region an array of {address, tag}, which an outside reader walks at any moment.
 *
 *    tags ─▶ ┌─────────┬─────┬─────────┬─────┬─────────┬─────┐
 *            │ address │ tag │ address │ tag │ address │ tag │ …        address 0: never used
 *            └─────────┴─────┴─────────┴─────┴─────────┴─────┘
 *
 * 1. A new entry's address is stored before region->slots makes it visible; slots only grows.
 * 2. A freed entry keeps what it says and joins a queue. The queue is used oldest first, and only when it is longer than
 *    REMEMBERED, so that the history of a region's last freed blocks stays for whoever asks about an address.
 *
 * The queue runs through an array beside the entries. Limits: capacity is fixed when the region opens; memory is only touched as
 * entries are used. Not for threads: the caller holds a lock. */
#include "heap/entries.h"

#define REMEMBERED 64u

bool entries_open(struct entries *entries, struct heap_region *region, struct meta *meta, uint32_t capacity, size_t tag_bytes)
{
    size_t step = 8 + tag_bytes;
    void *book = meta_alloc(meta, capacity * (step + sizeof(uintptr_t)));
    if (book == NULL)
        return false;
    entries->region = region;
    entries->step = step;
    entries->capacity = capacity;
    entries->owner = book;
    entries->oldest = entries->newest = ENTRY_NONE;
    entries->waiting = 0;
    entries->book = book;
    region->tags = entries->owner + capacity;
    region->slots = 0;
    return true;
}

void entries_close(struct entries *entries, struct meta *meta) { meta_free(meta, entries->book); }

uint32_t entries_take(struct entries *entries, char *address, void *owner)
{
    uint32_t slots = entries->region->slots, entry = entries->oldest;
    bool fresh = slots < entries->capacity && entries->waiting <= REMEMBERED;
    if (fresh)
        entry = slots;
    else if (entry == ENTRY_NONE)
        return ENTRY_NONE;
    else {
        entries->oldest = (uint32_t)(entries->owner[entry] >> 1);
        if (entries->oldest == ENTRY_NONE)
            entries->newest = ENTRY_NONE;
        entries->waiting--;
    }
    STORE(*(uintptr_t *)(void *)entry_at(entries, entry), (uintptr_t)address);
    entries->owner[entry] = (uintptr_t)owner;
    if (fresh)
        STORE_RELEASE(entries->region->slots, slots + 1);
    return entry;
}

void entries_give(struct entries *entries, uint32_t entry)
{
    entries->owner[entry] = (uintptr_t)ENTRY_NONE << 1 | 1;
    if (entries->newest != ENTRY_NONE)
        entries->owner[entries->newest] = (uintptr_t)entry << 1 | 1;
    else
        entries->oldest = entry;
    entries->newest = entry;
    entries->waiting++;
}

uint32_t entries_consistent(const struct entries *entries, struct check *check)
{
    uint32_t waiting = 0, used = 0, last = ENTRY_NONE;
    for (uint32_t entry = entries->oldest; entry != ENTRY_NONE && waiting <= entries->capacity; entry = (uint32_t)(entries->owner[entry] >> 1)) {
        check_that(check, entries->owner[entry] & 1, "entries: entry in the queue has an owner", entry);
        last = entry;
        waiting++;
    }
    check_equal(check, "entries", "newest", entries->newest, "last in the queue", last);
    check_equal(check, "entries", "waiting", entries->waiting, "counted", waiting);
    check_that(check, entries->region->slots <= entries->capacity, "entries: more slots than room for them", entries->region->slots);
    for (uint32_t entry = 0; entry < entries->region->slots; entry++)
        used += entry_owner(entries, entry) != NULL;
    check_equal(check, "entries", "used and waiting", (uint64_t)used + waiting, "slots", entries->region->slots);
    return used;
}
