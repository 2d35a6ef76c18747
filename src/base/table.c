/* Record tables, the writing side.
 *
 * A table is an array of chunk addresses and the chunks. Nothing ever moves, so an address of an entry stays good, and a
 * reader needs no lock:
 *
 * 1. reserve: the entries behind `count`. If they do not lie in one chunk, the rest of the chunk is left empty (zero entries,
 *    which every reader passes over). A missing chunk is mapped and its address stored.
 * 2. the caller fills them in.
 * 3. publish: `count` is stored, with release order. A reader that sees the count sees the entries.
 *
 * The array of chunk addresses is mapped for the largest size at once; the kernel gives pages only where it is touched.
 *
 * Limits: a table cannot grow past its max_entries; one writer at a time, which is the caller's affair. */
#include "base/table.h"

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"

static uint64_t chunk_entries(const struct record_table *table)
{
    return 1ull << table->chunk_shift;
}

/* Makes sure that chunk `chunk` is there. false: no memory. */
static bool chunk_ready(const struct record_table *table, uint64_t chunk)
{
    uint64_t *chunks = (uint64_t *)(uintptr_t)table->chunks;
    if (chunks[chunk])
        return true;
    void *pages = memory_map((size_t)table->entry_size << table->chunk_shift, 0, RECORD_PURPOSE_RECORDS);
    if (!pages)
        return false;
    __atomic_store_n(&chunks[chunk], (uintptr_t)pages, __ATOMIC_RELEASE);
    return true;
}

bool table_init(struct record_table *table, uint32_t entry_size, uint32_t chunk_shift, uint64_t max_entries)
{
    uint64_t max_chunks = (max_entries + (1ull << chunk_shift) - 1) >> chunk_shift;
    if (max_chunks == 0 || max_chunks > UINT32_MAX || entry_size == 0)
        return false;
    void *chunks = memory_keep(max_chunks * sizeof(uint64_t), 64);
    if (!chunks)
        return false;
    table->entry_size = entry_size;
    table->chunk_shift = chunk_shift;
    table->max_chunks = (uint32_t)max_chunks;
    __atomic_store_n(&table->chunks, (uintptr_t)chunks, __ATOMIC_RELEASE);
    if (!chunk_ready(table, 0)) {
        __atomic_store_n(&table->chunks, 0, __ATOMIC_RELEASE);
        return false;
    }
    __atomic_store_n(&table->count, 1, __ATOMIC_RELEASE);
    return true;
}

void *table_at(const struct record_table *table, uint64_t index)
{
    return index < __atomic_load_n(&table->count, __ATOMIC_ACQUIRE) ? table_known(table, index) : NULL;
}

uint64_t table_reserve(struct record_table *table, uint32_t n)
{
    uint64_t first = table->count, entries = chunk_entries(table);
    if (!table->chunks || n == 0 || n > entries)
        return 0;
    if ((first & (entries - 1)) + n > entries)
        first = (first + entries - 1) & ~(entries - 1);
    if (first >> table->chunk_shift >= table->max_chunks || !chunk_ready(table, first >> table->chunk_shift))
        return 0;
    memory_fill(table_known(table, first), 0, (size_t)n * table->entry_size);
    return first;
}

void table_publish(struct record_table *table, uint64_t index, uint32_t n)
{
    if (index + n > table->count)
        __atomic_store_n(&table->count, index + n, __ATOMIC_RELEASE);
}

/* ---- strings -------------------------------------------------------------------------------------------------------------- */

#define STRINGS_CHUNK_SHIFT 18          /* strings of 256 KiB and more are not kept */
#define STRINGS_MAX (1ull << 32)

static struct lock strings_lock = LOCK_INIT(LOCK_RANK_TABLES);

bool table_strings_init(void)
{
    struct record_table *strings = anchor_table(RECORD_TABLE_STRINGS);
    return strings->chunks || table_init(strings, 1, STRINGS_CHUNK_SHIFT, STRINGS_MAX);
}

uint64_t table_string(const char *bytes, size_t n)
{
    struct record_table *strings = anchor_table(RECORD_TABLE_STRINGS);
    if (n >= 1ull << STRINGS_CHUNK_SHIFT)
        return 0;
    uint64_t mask = lock_take_quietly(&strings_lock);
    uint64_t index = table_reserve(strings, (uint32_t)n + 1);
    if (index) {
        memory_copy(table_known(strings, index), bytes, n);
        table_publish(strings, index, (uint32_t)n + 1);
    }
    lock_drop_quietly(&strings_lock, mask);
    return index;
}

void table_fork_child(void)
{
    lock_reset(&strings_lock);
}
