/* The anchor: where a reader begins.
 *
 * Its fixed part is set by the compiler, so that an image taken before the library's first instruction already holds a valid
 * anchor with empty tables. The table of own mappings is ready from the start as well: it records the memory of all others,
 * so its own first chunk and its array of chunks are static (see memory.c). */
#include "base/anchor.h"

#include <stddef.h>

#include "base/memory.h"

struct record_anchor midden_anchor __attribute__((aligned(64), section(".data"))) = {
    .magic = RECORD_MAGIC,
    .version = RECORD_VERSION,
    .anchor_size = sizeof(struct record_anchor),
    .tables_offset = offsetof(struct record_anchor, tables),
    .n_tables = RECORD_TABLES,
    .page_size = 4096,
    .phase = RECORD_STARTING,
    .image = 1,
    .num_callers = 30,
    .fill_alloc = 256,
    .fill_free = 256,
    .tables = {
        [RECORD_TABLE_MAPPINGS] = {
            .entry_size = sizeof(struct record_mapping),
            .chunk_shift = MEMORY_CHUNK_SHIFT,
            .max_chunks = MEMORY_CHUNKS,
            .chunks = (uintptr_t)memory_chunks,
            .count = 1,
        },
    },
};

_Static_assert(sizeof RECORD_MAGIC == 16, "the magic fills its 16 bytes, the last one is the NUL");
