/* Reading side of a record table (struct record_table): entries by index, a chunk fetched when first needed.
 *
 *    chunks[] in the image ─▶ chunk c, copied whole to cache[c] when an entry of it is asked for
 *
 * Checked before: the chunk lies in mappings of the image; all copies together are not larger than the image. An entry that is
 * longer than we know (newer writer) is cut, one that is shorter (older writer) is filled with zeros. */
#ifndef MIDDEN_REPORT_TABLES_H
#define MIDDEN_REPORT_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"
#include "image.h"

struct table {
    const struct image *image;
    struct record_table shape;
    size_t known_size;          /* bytes of an entry as this command knows it */
    uint64_t *chunks;           /* addresses, [n_chunks] */
    uint8_t **cache;            /* [n_chunks]; entries known_size apart; NULL: not fetched */
    size_t n_chunks;            /* that hold published entries */
    uint64_t count;             /* published entries */
    uint64_t fetched;           /* bytes in the cache */
    bool cut;                   /* something of it could not be read */
};

/* Checks shape and fetches the addresses of the chunks. false: the table is unusable and now empty; *why says what is wrong. */
bool table_open(struct table *table, const struct image *image, const struct record_table *shape, size_t known_size, const char **why);
void table_close(struct table *table);

/* Entry `index` (known_size bytes, copied from the image when its chunk was fetched); NULL: there is none or it cannot be read. */
const void *table_entry(struct table *table, uint64_t index);

/* Copies entry `index` out of the image as it is now. */
bool table_fetch(const struct table *table, uint64_t index, void *entry);

#endif
