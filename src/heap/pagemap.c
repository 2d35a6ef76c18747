/* Page map: a radix tree over the low 48 bits of addresses, 12 bits per level.
 *
 *    root ─▶ [4096 words, 64 GiB each] ─▶ [4096 words, 16 MiB each] ─▶ [4096 words, 4 KiB each]
 *
 * A word of the two upper levels may hold a value instead of a node: all pages below have it. So a block of a terabyte costs a
 * word per 16 MiB, not one per page.
 *
 * Setting a range goes in two passes. The first makes the nodes that the range's edges need, and may run out of memory; a new
 * node starts with its parent's value in every word, so that readers see no difference. The second only writes words. Nodes are
 * never given back: a reader may be in them.
 *
 * Limits: a node of 32 KiB for each 16 MiB in use, 0.2 %. */
#include "heap/pagemap.h"

#include "heap/port.h"

void pagemap_init(struct pagemap *map, const struct heap_hooks *hooks, size_t page_size)
{
    map->hooks = hooks;
    map->node_bytes = round_up(PAGEMAP_CHILDREN * sizeof(uint64_t), page_size);
    map->page_size = page_size;
    map->nodes = 0;
}

/* The node below *word, made if it is not there. NULL: no memory. */
static uint64_t *node_below(struct pagemap *map, uint64_t *word)
{
    uint64_t value = *word;
    if (value & 1)
        return (uint64_t *)(uintptr_t)(value - 1);
    uint64_t *node = port_alloc_kept(map->hooks, map->node_bytes, map->page_size);
    if (node == NULL)
        return NULL;
    map->nodes++;
    if (value != 0)
        for (size_t i = 0; i < PAGEMAP_CHILDREN; i++)
            node[i] = value;
    STORE_RELEASE(*word, (uint64_t)(uintptr_t)node + 1);
    return node;
}

/* The word of the middle level for the 16 MiB around `at`. NULL: no memory. */
static uint64_t *middle_word(struct pagemap *map, uintptr_t at)
{
    uint64_t *node = node_below(map, &map->root[at >> PAGEMAP_ROOT_SHIFT & (PAGEMAP_CHILDREN - 1)]);
    return node == NULL ? NULL : &node[at >> PAGEMAP_CHUNK_SHIFT & (PAGEMAP_CHILDREN - 1)];
}

bool pagemap_set(struct pagemap *map, const char *start, size_t bytes, uint64_t value)
{
    const uintptr_t chunk = (uintptr_t)1 << PAGEMAP_CHUNK_SHIFT, first = (uintptr_t)start, end = first + bytes;
    if (bytes == 0)
        return true;
    for (uintptr_t at = first; at < end; at = (at & ~(chunk - 1)) + chunk) {
        uint64_t *word = middle_word(map, at);
        if (word == NULL)
            return false;
        bool whole = at % chunk == 0 && end - at >= chunk;
        if (!whole && *word != value && node_below(map, word) == NULL)
            return false;
    }
    for (uintptr_t at = first; at < end; at = (at & ~(chunk - 1)) + chunk) {
        uint64_t *word = middle_word(map, at);
        if (!(*word & 1)) {         /* the whole chunk, or a part of one that has the value already */
            STORE_RELEASE(*word, value);
            continue;
        }
        uint64_t *node = (uint64_t *)(uintptr_t)(*word - 1);
        uintptr_t stop = (at & ~(chunk - 1)) + chunk;
        if (stop > end)
            stop = end;
        for (uintptr_t page = at; page < stop; page += (uintptr_t)1 << PAGEMAP_UNIT_SHIFT)
            STORE_RELEASE(node[page >> PAGEMAP_UNIT_SHIFT & (PAGEMAP_CHILDREN - 1)], value);
    }
    return true;
}
