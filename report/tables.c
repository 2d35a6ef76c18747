/* Record tables, read: see tables.h.
 *
 * table_open() believes a shape only when the numbers fit each other and the array of chunk addresses lies in the image; from
 * `count` follows how many chunks matter. A chunk is copied when an entry of it is asked for, once, cut down to the published
 * entries, entry by entry if the writer's entries are longer or shorter than ours. The copies of one table together may not
 * exceed the image: a damaged array that names one large chunk a million times ends there. */
#include "tables.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define MAX_SHIFT 28            /* entries in a chunk */
#define MAX_ENTRY 65536u        /* bytes of an entry */
#define MAX_CHUNKS (1u << 20)   /* that hold entries */

static bool shape_is_sane(const struct record_table *shape, const char **why)
{
    if (shape->entry_size == 0 || shape->entry_size > MAX_ENTRY)
        *why = "its entries have an impossible size";
    else if (shape->chunk_shift > MAX_SHIFT)
        *why = "its chunks have an impossible size";
    else if (shape->count > (uint64_t)shape->max_chunks << shape->chunk_shift)
        *why = "it claims more entries than it has room for";
    else if (shape->count > UINT32_MAX && shape->entry_size > 1)
        *why = "it claims more entries than can be numbered";
    else
        return true;
    return false;
}

bool table_open(struct table *table, const struct image *image, const struct record_table *shape, size_t known_size, const char **why)
{
    memset(table, 0, sizeof *table);
    table->image = image;
    table->known_size = known_size;
    if (shape->chunks == 0 || shape->count == 0)
        return true;
    if (!shape_is_sane(shape, why))
        return false;
    size_t n = (size_t)((shape->count + ((uint64_t)1 << shape->chunk_shift) - 1) >> shape->chunk_shift);
    if (n > MAX_CHUNKS) {
        *why = "it claims more chunks than any honest writer needs";
        return false;
    }
    if (!image_covers(image, shape->chunks, (uint64_t)n * 8)) {
        *why = "its list of chunks lies outside the image";
        return false;
    }
    uint64_t *chunks = memory_try(n, sizeof *chunks);
    uint8_t **cache = memory_try(n, sizeof *cache);
    if (!chunks || !cache || !image_read_all(image, shape->chunks, chunks, n * sizeof *chunks)) {
        free(chunks);
        free(cache);
        *why = "its list of chunks cannot be read";
        return false;
    }
    table->shape = *shape;
    table->chunks = chunks;
    table->cache = cache;
    table->n_chunks = n;
    table->count = shape->count;
    return true;
}

void table_close(struct table *table)
{
    for (size_t i = 0; i < table->n_chunks; i++)
        free(table->cache[i]);
    free(table->cache);
    free(table->chunks);
    memset(table, 0, sizeof *table);
}

/* Copies chunk c; NULL: it cannot be had. */
static uint8_t *fetch_chunk(struct table *table, size_t c)
{
    uint64_t per_chunk = (uint64_t)1 << table->shape.chunk_shift;
    uint64_t first = (uint64_t)c << table->shape.chunk_shift;
    uint64_t entries = table->count - first < per_chunk ? table->count - first : per_chunk;
    uint64_t bytes = entries * table->shape.entry_size, ours = entries * table->known_size;
    if (!table->chunks[c] || !image_covers(table->image, table->chunks[c], bytes)
        || bytes > table->image->mapped_bytes - table->fetched)
        return NULL;
    uint8_t *raw = memory_try(1, bytes);
    if (!raw || !image_read_all(table->image, table->chunks[c], raw, bytes)) {
        free(raw);
        return NULL;
    }
    table->fetched += bytes;
    if (table->shape.entry_size == table->known_size)
        return raw;
    uint8_t *fitted = memory_try(1, ours);
    size_t both = table->known_size < table->shape.entry_size ? table->known_size : table->shape.entry_size;
    for (uint64_t i = 0; fitted && i < entries; i++)
        memcpy(fitted + i * table->known_size, raw + i * table->shape.entry_size, both);
    free(raw);
    return fitted;
}

const void *table_entry(struct table *table, uint64_t index)
{
    if (index >= table->count)
        return NULL;
    size_t c = (size_t)(index >> table->shape.chunk_shift);
    uint64_t within = index & (((uint64_t)1 << table->shape.chunk_shift) - 1);
    if (!table->cache[c]) {
        if (table->chunks[c])
            table->cache[c] = fetch_chunk(table, c);
        if (!table->cache[c]) {
            table->chunks[c] = 0;       /* not tried again */
            table->cut = true;
            return NULL;
        }
    }
    return table->cache[c] + within * table->known_size;
}

bool table_fetch(const struct table *table, uint64_t index, void *entry)
{
    if (index >= table->count)
        return false;
    uint64_t chunk = table->chunks[index >> table->shape.chunk_shift];
    uint64_t within = index & (((uint64_t)1 << table->shape.chunk_shift) - 1);
    uint64_t address;
    size_t both = table->known_size < table->shape.entry_size ? table->known_size : table->shape.entry_size;
    if (!chunk || __builtin_add_overflow(chunk, within * table->shape.entry_size, &address))
        return false;
    memset(entry, 0, table->known_size);
    return image_read_all(table->image, address, entry, both);
}
