/* Which objects of pools are blocks to the leak check, and which blocks of the heap are none because objects lie in them.
 *
 * As memcheck has it: a block of the heap that holds a living object is a superblock, neither counted nor searched nor held; its
 * objects are blocks in its stead. An object outside the heap is a block, and its memory is a root as all memory there is.
 *
 *   1. objects are taken in address order; one of a RECORD_POOL_META pool that holds others is itself a superblock and no block
 *      (memcheck counts it as well, and its memory twice)
 *   2. the heap's block around each is looked up; an object whose superblock is not the living block there is left over from memory that
 *      was freed under it: it is dropped
 *
 * Outside the heap the memory of freed objects is a root as well, which it is not to memcheck: the program may have unmapped it and have
 * something else there by now, without a word.
 *
 * The look-up of step 2 is made once for a run of objects in one block. */
#include <stdlib.h>
#include <string.h>

#include "leak_graph.h"
#include "memory.h"
#include "records_marks.h"
#include "records_regions.h"
#include "sorted.h"

#define LOOK_AHEAD ((size_t)1 << 16)    /* freed objects in a META pool's, before a living one */

struct held {
    uint64_t address, size;
    uint32_t sequence;
};

/* The heap's block around the last object that was looked at. */
struct around {
    uint64_t start, end;        /* half-open */
    uint32_t sequence;
    bool lives, in_heap;
    /* The living blocks of the last placed region, by address: objects come in address order, so each region is read once. */
    size_t region;
    struct held *list;
    size_t n;
};

static int held_order(const void *left, const void *right)
{
    const struct held *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

static void read_region(struct records *records, size_t index, struct around *around)
{
    enum { BATCH = 4096 };
    const struct record_region *region = &records->regions[index];
    struct record_placed *batch = memory_new(BATCH, sizeof *batch);
    size_t room = 0;
    free(around->list);
    around->list = NULL;
    around->n = 0;
    around->region = index;
    for (uint32_t first = 0; first < region->slots; first += BATCH) {
        uint32_t n = region->slots - first < BATCH ? region->slots - first : BATCH;
        image_read_around(records->image, region->records + (uint64_t)first * sizeof *batch, batch, n * sizeof *batch);
        for (uint32_t i = 0; i < n; i++) {
            if (!batch[i].address || record_head_state(batch[i].block.head) != RECORD_BLOCK_LIVE)
                continue;
            if (around->n == room)
                around->list = memory_resize(around->list, room = room ? 2 * room : 256, sizeof *around->list);
            around->list[around->n++] = (struct held){batch[i].address, record_head_size(batch[i].block.head), batch[i].block.sequence};
        }
    }
    free(batch);
    if (around->n)
        qsort(around->list, around->n, sizeof *around->list, held_order);
}

/* The living block that an address of a placed region lies in or behind. */
static bool block_before(struct records *records, size_t index, uint64_t address, struct around *around, struct held *block)
{
    if (!around->list || around->region != index)
        read_region(records, index, around);
    size_t low = SORTED_UP_TO(around->list, around->n, address, address);
    if (low)
        *block = around->list[low - 1];
    return low != 0;
}

static void look_around(struct records *records, uint64_t address, struct around *around)
{
    struct records_found found;
    struct held block;
    if (address >= around->start && address < around->end)
        return;
    around->start = address;
    around->end = address + 1;
    around->lives = around->in_heap = false;
    size_t index = records_region_at(records, address);
    if (index == records->n_regions)
        return;
    around->in_heap = true;
    if (records->regions[index].stride) {
        if (!records_block_at(records, address, &found) || record_head_state(found.block.head) != RECORD_BLOCK_LIVE)
            return;
        block = (struct held){found.address, record_head_size(found.block.head), found.block.sequence};
    } else if (!block_before(records, index, address, around, &block)) {
        return;
    }
    if (address < block.address || address - block.address >= block.size)
        return;
    around->start = block.address;
    around->end = block.address + block.size;
    around->sequence = block.sequence;
    around->lives = true;
}

static bool is_block(const struct records *records, const struct record_object *object, const struct around *around)
{
    uint64_t size = record_head_size(object->block.head);
    if (!around->in_heap)
        return !object->superblock && image_covers(records->image, object->address, size ? size : 1);
    return around->lives && around->sequence == object->superblock && size <= around->end - object->address;
}

static bool holds_next(const struct records *records, size_t i)
{
    const struct record_object *object = &records->objects[i];
    const struct record_pool *pool = records_pool(records, object);
    if (!pool || !(pool->flags & RECORD_POOL_META))
        return false;
    uint64_t end = object->address + record_head_size(object->block.head);
    for (size_t most = i + LOOK_AHEAD; ++i < records->n_objects && i < most && records->objects[i].address < end;)
        if (record_head_state(records->objects[i].block.head) == RECORD_BLOCK_LIVE)
            return true;
    return false;
}

void graph_take_objects(struct graph *graph)
{
    struct records *records = graph->records;
    struct around around = {.start = 0};
    uint64_t end = 0;           /* of the last one taken: damaged records may overlap */
    if (!records->n_objects)
        return;
    graph->objects = memory_new(records->n_objects, sizeof *graph->objects);
    graph->supers = memory_new(records->n_objects, sizeof *graph->supers);
    for (size_t i = 0; i < records->n_objects; i++) {
        struct record_object *object = &records->objects[i];
        if (record_head_state(object->block.head) != RECORD_BLOCK_LIVE)
            continue;
        look_around(records, object->address, &around);
        if (!is_block(records, object, &around))
            continue;
        if (around.in_heap && (!graph->n_supers || graph->supers[graph->n_supers - 1] != around.start))
            graph->supers[graph->n_supers++] = around.start;
        if (holds_next(records, i) || object->address < end)
            continue;
        graph->objects[graph->n_objects++] = object;
        end = object->address + record_head_size(object->block.head);
    }
    free(around.list);
}

bool graph_is_super(const struct graph *graph, uint64_t address)
{
    size_t low = 0, high = graph->n_supers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->supers[middle] < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->n_supers && graph->supers[low] == address;
}

size_t graph_objects_from(const struct graph *graph, uint64_t address)
{
    size_t low = 0, high = graph->n_objects;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->objects[middle]->address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct record_object *graph_object(const struct graph *graph, uint64_t address)
{
    size_t at = graph_objects_from(graph, address);
    return at < graph->n_objects && graph->objects[at]->address == address ? graph->objects[at] : NULL;
}
