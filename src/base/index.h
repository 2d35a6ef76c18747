/* A map from 64-bit keys to numbers, for the tool's own look-ups. The caller's lock guards it. */
#ifndef MIDDEN_BASE_INDEX_H
#define MIDDEN_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_slot {
    uint64_t key;
    uint32_t value;         /* 0: empty */
    uint32_t reserved;
};

/* All zero is an empty map. */
struct index {
    struct index_slot *slots;
    uint64_t mask;          /* slots - 1; 0: none yet */
    uint64_t n;             /* in use */
};

/* The value of a key; 0: it has none. */
uint32_t index_get(const struct index *index, uint64_t key);

/* Gives a key a value, which is not 0. false: no memory, nothing changed. */
bool index_put(struct index *index, uint64_t key, uint32_t value);

/* The key has no value any more. One that has none is fine. */
void index_drop(struct index *index, uint64_t key);

#endif
