/* Figures of the engines from the block records (heap_map.c), as the library's own would be.
 *
 * What the library asks an engine for is a block with its guards; records tell the block. A guard zone behind one is at least
 * anchor.rear_guard long, and what a slot has beyond that counts as rounding here as there. */
#include "heap_figures.h"

#include "heap_map.h"

static struct record_engine_stats figures_of(const struct map_engine *engine, const struct record_anchor *anchor)
{
    uint64_t blocks = engine->live + engine->quarantined;
    uint64_t guards = (uint64_t)(anchor->front_guard & 255) + (anchor->rear_guard & 255);
    uint64_t occupied = engine->live_occupied + engine->quarantined_occupied;
    uint64_t requested = engine->live_bytes + engine->quarantined_bytes + blocks * guards;
    return (struct record_engine_stats){
        .mapped = engine->mapped, .occupied = occupied + engine->own_occupied,
        .requested = (requested < occupied ? requested : occupied) + engine->own_occupied,
        .free_bytes = engine->free_bytes, .largest_free = engine->largest_free, .blocks = blocks + engine->own,
    };
}

void heap_figures_renew(struct records *records)
{
    struct heap_map map;
    if (!records->image || records->anchor.phase == RECORD_EXITING)
        return;
    heap_map_make(&map, records, 1);
    for (int i = RECORD_ENGINE_NONE + 1; i < RECORD_ENGINES; i++)
        records->engines[i] = figures_of(&map.engines[i], &records->anchor);
    heap_map_free(&map);
}
