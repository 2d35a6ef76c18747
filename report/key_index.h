/* Numbers for keys: 0, 1, 2, … in the order in which they are first asked for. */
#ifndef MIDDEN_REPORT_KEY_INDEX_H
#define MIDDEN_REPORT_KEY_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* All zero: empty. */
struct key_index {
    struct key_place *places;   /* hash table, open addressing */
    size_t mask, n;             /* n: keys, which is the number that the next new one gets */
};

/* The number of `key`; a new key's is what n was before. Never fails. */
uint32_t key_index_number(struct key_index *index, uint64_t key);

void key_index_free(struct key_index *index);   /* empty again */

#endif
