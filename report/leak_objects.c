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

/* The heap's block around the last object that was looked at. */
struct around {
    uint64_t start, end;        /* half-open */
    uint32_t sequence;
    bool lives, in_heap;
};

static void look_around(struct records *records, uint64_t address, struct around *around)
{
    struct records_found found;
    if (address >= around->start && address < around->end)
        return;
    *around = (struct around){.start = address, .end = address + 1};
    if (records_region_at(records, address) == records->n_regions)
        return;
    around->in_heap = true;
    if (!records_block_at(records, address, &found))
        return;
    uint64_t size = record_head_size(found.block.head);
    if (address < found.address || address - found.address >= size)
        return;
    around->start = found.address;
    around->end = found.address + size;
    around->sequence = found.block.sequence;
    around->lives = record_head_state(found.block.head) == RECORD_BLOCK_LIVE;
}

static bool is_block(const struct record_object *object, const struct around *around)
{
    uint64_t size = record_head_size(object->block.head);
    if (!around->in_heap)
        return !object->superblock;
    return around->lives && around->sequence == object->superblock && size <= around->end - object->address;
}

static bool holds_next(const struct records *records, size_t i)
{
    const struct record_object *object = &records->objects[i];
    const struct record_pool *pool = records_pool(records, object);
    if (!pool || !(pool->flags & RECORD_POOL_META))
        return false;
    uint64_t end = object->address + record_head_size(object->block.head);
    for (i++; i < records->n_objects && records->objects[i].address < end; i++)
        if (record_head_state(records->objects[i].block.head) == RECORD_BLOCK_LIVE)
            return true;
    return false;
}

void graph_take_objects(struct graph *graph)
{
    struct records *records = graph->records;
    struct around around = {0};
    if (!records->n_objects)
        return;
    graph->objects = memory_new(records->n_objects, sizeof *graph->objects);
    graph->supers = memory_new(records->n_objects, sizeof *graph->supers);
    for (size_t i = 0; i < records->n_objects; i++) {
        struct record_object *object = &records->objects[i];
        if (record_head_state(object->block.head) != RECORD_BLOCK_LIVE)
            continue;
        look_around(records, object->address, &around);
        if (!is_block(object, &around))
            continue;
        if (around.in_heap && (!graph->n_supers || graph->supers[graph->n_supers - 1] != around.start))
            graph->supers[graph->n_supers++] = around.start;
        if (!holds_next(records, i))
            graph->objects[graph->n_objects++] = object;
    }
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
