/* Open addressing with linear probing in pages of the tool's own: at most three quarters full, then twice as large. A key that is
 * dropped leaves no mark: those behind it that could stand nearer to their place move up.
 *
 * Limits: it never becomes smaller. */
#include "base/index.h"

#include "base/memory.h"

#define LEAST_SLOTS 256u

static uint64_t mixed(uint64_t key)
{
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15ull;
    return key ^ key >> 29;
}

/* The slot that has the key, or the empty one where it would go. Precondition: there are slots, and an empty one among them. */
static struct index_slot *slot_of(const struct index *index, uint64_t key)
{
    uint64_t at = mixed(key) & index->mask;
    while (index->slots[at].value && index->slots[at].key != key)
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

static bool grow(struct index *index)
{
    uint64_t slots = index->mask ? 2 * (index->mask + 1) : LEAST_SLOTS;
    struct index larger = {memory_map(slots * sizeof *larger.slots, 0, RECORD_PURPOSE_RECORDS), slots - 1, index->n};
    if (!larger.slots)
        return false;
    for (uint64_t i = 0; index->mask && i <= index->mask; i++)
        if (index->slots[i].value)
            *slot_of(&larger, index->slots[i].key) = index->slots[i];
    if (index->mask)
        memory_unmap(index->slots, (index->mask + 1) * sizeof *index->slots);
    *index = larger;
    return true;
}

uint32_t index_get(const struct index *index, uint64_t key)
{
    return index->mask ? slot_of(index, key)->value : 0;
}

bool index_put(struct index *index, uint64_t key, uint32_t value)
{
    if (4 * (index->n + 1) > 3 * index->mask && !grow(index) && index->n + 1 > index->mask)
        return false;
    struct index_slot *slot = slot_of(index, key);
    index->n += !slot->value;
    slot->key = key;
    slot->value = value;
    return true;
}

void index_drop(struct index *index, uint64_t key)
{
    struct index_slot *hole = index->mask ? slot_of(index, key) : NULL;
    if (!hole || !hole->value)
        return;
    index->n--;
    uint64_t at = (uint64_t)(hole - index->slots), next = at;
    for (;;) {
        next = (next + 1) & index->mask;
        if (!index->slots[next].value)
            break;
        /* It may move to the hole if its own place does not lie behind the hole. */
        uint64_t home = mixed(index->slots[next].key) & index->mask;
        if (((next - home) & index->mask) >= ((next - at) & index->mask)) {
            index->slots[at] = index->slots[next];
            at = next;
        }
    }
    index->slots[at] = (struct index_slot){0, 0, 0};
}
