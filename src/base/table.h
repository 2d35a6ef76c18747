/* Writing side of a record table (struct record_table): append-only, chunked, readable at any instruction. */
#ifndef MIDDEN_BASE_TABLE_H
#define MIDDEN_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"

/* Prepares a table that can grow to max_entries (rounded up to whole chunks). false: no memory, and the table stays empty.
 * Entry 0 exists from the start, all zero. Called once, before other threads. */
bool table_init(struct record_table *table, uint32_t entry_size, uint32_t chunk_shift, uint64_t max_entries);

/* Address of entry `index`; NULL if it is not there. Lock-free, any context. */
void *table_at(const struct record_table *table, uint64_t index);

/* The same for an index that is known to have been published: no checks. */
static inline void *table_known(const struct record_table *table, uint64_t index)
{
    const uint64_t *chunks = (const uint64_t *)(uintptr_t)table->chunks;
    return (char *)(uintptr_t)chunks[index >> table->chunk_shift]
         + (index & ((1ull << table->chunk_shift) - 1)) * table->entry_size;
}

/* Reserves `n` consecutive entries within one chunk, zeroed, NOT yet published, and returns the first one's index; 0: full or
 * no memory, or n is more than a chunk. The caller holds whatever lock orders writers of this table until it has published;
 * entries that are not published are reserved again by the next call. table_publish makes all entries below index + n
 * visible. */
uint64_t table_reserve(struct record_table *table, uint32_t n);
void table_publish(struct record_table *table, uint64_t index, uint32_t n);

/* Appends a NUL-terminated copy of bytes[n] to the string table and returns its reference; 0: no memory, or n is too long for
 * a chunk. Takes LOCK_RANK_TABLES. */
uint64_t table_string(const char *bytes, size_t n);

/* Prepares RECORD_TABLE_STRINGS, if nobody has yet; before other threads. */
bool table_strings_init(void);

void table_fork_child(void);

#endif
