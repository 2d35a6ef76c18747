/* A hash table key → number: open addressing with linear probing, at most half full. The keys themselves are compared. */
#include "key_index.h"

#include <stdlib.h>
#include <string.h>

#include "format/site.h"
#include "memory.h"

#define FIRST_PLACES 1024u

struct key_place {
    uint64_t key;
    uint32_t number;            /* + 1; 0: free */
};

static struct key_place *place_of(const struct key_index *index, uint64_t key)
{
    size_t at = site_mix(key) & index->mask;
    while (index->places[at].number && index->places[at].key != key)
        at = (at + 1) & index->mask;
    return &index->places[at];
}

static void grow(struct key_index *index)
{
    struct key_place *old = index->places;
    size_t n = old ? index->mask + 1 : 0, size = n ? 2 * n : FIRST_PLACES;
    index->places = memory_new(size, sizeof *index->places);
    index->mask = size - 1;
    for (size_t i = 0; i < n; i++)
        if (old[i].number)
            *place_of(index, old[i].key) = old[i];
    free(old);
}

uint32_t key_index_number(struct key_index *index, uint64_t key)
{
    if (2 * index->n >= index->mask)
        grow(index);
    struct key_place *place = place_of(index, key);
    if (!place->number)
        *place = (struct key_place){key, (uint32_t)++index->n};
    return place->number - 1;
}

void key_index_free(struct key_index *index)
{
    free(index->places);
    memset(index, 0, sizeof *index);
}
