/* The table of leak records.
 *
 *   1. A hash table by (kind, stack) over a list that grows; several threads have one each, and one is joined to the other.
 *   2. The depot may hold the same stack twice, under two numbers (it is written without a lock): at the end the records are sorted by
 *      a hash over the frames of their stacks, and neighbours whose stacks read the same are merged.
 *   3. Sorted again, largest first. The order and all figures are the same however the blocks were divided among tables. */
#include "leak_tally.h"

#include <stdlib.h>

#include "format/site.h"
#include "memory.h"

static uint64_t key_hash(enum leak_kind kind, bool stack_only, uint32_t stack)
{
    return site_mix((uint64_t)stack << 4 | (uint64_t)stack_only << 3 | (uint64_t)kind);
}

static void grow(struct tally *tally)
{
    size_t size = tally->mask ? 2 * (tally->mask + 1) : 4096;
    free(tally->slots);
    tally->slots = memory_new(size, sizeof *tally->slots);
    tally->mask = size - 1;
    for (size_t i = 0; i < tally->n; i++) {
        size_t at = key_hash(tally->list[i].kind, tally->list[i].stack_only, tally->list[i].stack) & tally->mask;
        while (tally->slots[at])
            at = (at + 1) & tally->mask;
        tally->slots[at] = (uint32_t)i + 1;
    }
}

struct leak_record *tally_record(struct tally *tally, enum leak_kind kind, bool stack_only, uint32_t stack)
{
    if (2 * tally->n >= tally->mask)
        grow(tally);
    size_t at = key_hash(kind, stack_only, stack) & tally->mask;
    for (; tally->slots[at]; at = (at + 1) & tally->mask) {
        struct leak_record *record = &tally->list[tally->slots[at] - 1];
        if (record->kind == kind && record->stack_only == stack_only && record->stack == stack)
            return record;
    }
    if (tally->n == tally->room)
        tally->list = memory_resize(tally->list, tally->room = tally->room ? 2 * tally->room : 1024, sizeof *tally->list);
    tally->list[tally->n] = (struct leak_record){.kind = kind, .stack_only = stack_only, .stack = stack};
    tally->slots[at] = (uint32_t)++tally->n;
    return &tally->list[tally->n - 1];
}

/* Both have blocks. What stands for all of them is of the lowest address, so that it is the same however the work was divided. */
static void join(struct leak_record *into, const struct leak_record *from)
{
    into->bytes += from->bytes;
    into->blocks += from->blocks;
    into->indirect_bytes += from->indirect_bytes;
    into->indirect_blocks += from->indirect_blocks;
    total_join(&into->retained, from->retained);
    if (from->cycles.largest > into->cycles.largest
        || (from->cycles.largest == into->cycles.largest && from->cycles.entry < into->cycles.entry)) {
        into->cycles.largest = from->cycles.largest;
        into->cycles.entry = from->cycles.entry;
    }
    into->cycles.cycles += from->cycles.cycles;
    total_join(&into->cycles.members, from->cycles.members);
    total_join(&into->cycles.retained, from->cycles.retained);
    if (from->example < into->example) {
        into->example = from->example;
        into->allocator = from->allocator;
    }
}

void tally_join(struct tally *into, const struct tally *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct leak_record *record = &from->list[i];
        struct leak_record *known = tally_record(into, record->kind, record->stack_only, record->stack);
        if (known->blocks)
            join(known, record);
        else
            *known = *record;
    }
}

/* ---- stacks that read the same ---- */

struct keyed {
    uint64_t hash;
    struct leak_record record;
};

static uint64_t stack_hash(struct records *records, uint32_t stack)
{
    const struct record_node *nodes[RECORDS_STACK_MAX];
    size_t n = records_stack(records, stack, nodes, RECORDS_STACK_MAX);
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++)
        hash = site_mix(hash ^ site_mix(nodes[i]->place));
    return hash;
}

static bool same_stack(struct records *records, uint32_t a, uint32_t b)
{
    const struct record_node *left[RECORDS_STACK_MAX], *right[RECORDS_STACK_MAX];
    size_t n = records_stack(records, a, left, RECORDS_STACK_MAX);
    if (records_stack(records, b, right, RECORDS_STACK_MAX) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (left[i]->place != right[i]->place)
            return false;
    return true;
}

static int by_key(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    if (a->record.kind != b->record.kind)
        return a->record.kind < b->record.kind ? -1 : 1;
    if (a->record.stack_only != b->record.stack_only)
        return a->record.stack_only ? 1 : -1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->record.stack < b->record.stack ? -1 : a->record.stack > b->record.stack;
}

/* What is equal comes in the order in which the program first allocated there, which is the same in each run; addresses are not. */
static int by_loss(const void *left, const void *right)
{
    const struct leak_record *a = left, *b = right;
    uint64_t lost_a = a->bytes + a->indirect_bytes, lost_b = b->bytes + b->indirect_bytes;
    if (lost_a != lost_b)
        return lost_a > lost_b ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    return a->example < b->example ? -1 : a->example > b->example;
}

void tally_finish(struct tally *tally, struct records *records)
{
    struct keyed *keyed = memory_new(tally->n, sizeof *keyed);
    for (size_t i = 0; i < tally->n; i++)
        keyed[i] = (struct keyed){stack_hash(records, tally->list[i].stack), tally->list[i]};
    qsort(keyed, tally->n, sizeof *keyed, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < tally->n; i++) {
        const struct leak_record *record = &keyed[i].record;
        struct leak_record *last = kept ? &tally->list[kept - 1] : NULL;
        if (last && last->kind == record->kind && last->stack_only == record->stack_only && keyed[i].hash == keyed[i - 1].hash && same_stack(records, last->stack, record->stack)) {
            join(last, record);
        } else {
            tally->list[kept++] = *record;
        }
    }
    free(keyed);
    tally->n = kept;
    if (kept)
        qsort(tally->list, kept, sizeof *tally->list, by_loss);
}

void tally_free_index(struct tally *tally)
{
    free(tally->slots);
    tally->slots = NULL;
    tally->mask = 0;
}
