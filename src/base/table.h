/* Writing side of a record table (struct record_table): append-only, chunked, readable at any instruction. */
#ifndef MIDDEN_BASE_TABLE_H
#define MIDDEN_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"

/* Prepares a table that can grow to max_entries. false: no memory. Entry 0 exists from the start (all zero) unless the
 * entries are bytes. Called once, before other threads. */
bool table_init(struct record_table *table, uint32_t entry_size, uint32_t chunk_shift, uint64_t max_entries);

/* Address of entry `index`; NULL if it is not there. Lock-free. */
void *table_at(const struct record_table *table, uint64_t index);

/* Reserves `n` consecutive entries within one chunk, zeroed, NOT yet published, and returns the first one's index; 0: full or
 * no memory. The caller holds whatever lock orders writers of this table. table_publish makes all entries below
 * index + n visible. */
uint64_t table_reserve(struct record_table *table, uint32_t n);
void table_publish(struct record_table *table, uint64_t index, uint32_t n);

/* Appends a NUL-terminated copy of bytes[n] to the string table and returns its reference; 0: none. */
uint64_t table_string(const char *bytes, size_t n);

#endif
