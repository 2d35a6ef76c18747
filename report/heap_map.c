/* Adding the heap up, engine by engine.
 *
 *   slab      a region is a slab: slots of one size; what is not living or in quarantine is free
 *   freelist  blocks with their guards, rounded to GRAIN, lie in an arena; the gaps between them are the free segments
 *   buddy     a block's chunk is the smallest aligned power of two of UNIT bytes or more that covers it; gaps are taken apart into the
 *             largest aligned chunks, which is what the buddy's free lists hold
 *   huge      a region is a block
 *   guarded   a region is a row of places between guard pages
 *
 * Limits: what an engine holds back for itself (a thread's magazine of free slots) counts as free. Records are believed only as far as
 * they fit their region: a block that reaches over its neighbour or its region is cut. */
#include "heap_map.h"

#include <stdlib.h>
#include <string.h>

enum { GRAIN = 16, UNIT = 256,
       MOST_CLASSES = 4096 };   /* no heap has as many; in a damaged image what is beyond them is put with the first */

const char *const map_engine_names[RECORD_ENGINES] = {"?", "slab", "freelist", "buddy", "huge", "guarded"};

struct mapper {
    struct heap_map *map;
    struct records *records;
    size_t region;              /* being added up; n_regions: none */
    uint64_t live, quarantined, own, live_bytes;    /* blocks of it */
    uint64_t cursor;            /* placed: end of the last block, from the region's base */
    struct map_arena *arena;
};

static unsigned log2_of(uint64_t n) { return n ? 63 - (unsigned)__builtin_clzll(n) : 0; }

/* ---- free memory of placed regions ---- */

static void add_free(struct map_engine *engine, struct map_arena *arena, uint64_t bytes)
{
    engine->free_bytes += bytes;
    engine->free_segments++;
    arena->free_segments++;
    if (bytes > engine->largest_free)
        engine->largest_free = bytes;
    if (bytes > arena->largest_free)
        arena->largest_free = bytes;
}

static void add_chunks(struct map_engine *engine, struct map_arena *arena, uint64_t start, uint64_t end)
{
    while (start < end) {
        unsigned order = start ? (unsigned)__builtin_ctzll(start) : MAP_ORDERS - 1;
        while (order > 0 && (order >= MAP_ORDERS || (UINT64_C(1) << order) > end - start))
            order--;
        engine->chunks_free[order]++;
        add_free(engine, arena, UINT64_C(1) << order);
        start += UINT64_C(1) << order;
    }
}

static void add_gap(struct map_engine *engine, struct map_arena *arena, bool buddy, uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    if (buddy) {
        add_chunks(engine, arena, start, end);
        return;
    }
    unsigned order = log2_of(end - start) < MAP_ORDERS ? log2_of(end - start) : MAP_ORDERS - 1;
    engine->segments[order]++;
    engine->segment_bytes[order] += end - start;
    add_free(engine, arena, end - start);
}

/* Spreads [start, end) of an arena over its cells. */
static void fill_cells(const struct heap_map *map, const struct map_arena *arena, uint64_t *cells, uint64_t start, uint64_t end)
{
    uint64_t each = (arena->bytes + map->cells - 1) / map->cells;
    while (start < end) {
        uint64_t cell = start / each, limit = (cell + 1) * each < end ? (cell + 1) * each : end;
        cells[cell] += limit - start;
        start = limit;
    }
}

/* ---- regions ---- */

static struct map_class *class_for(struct heap_map *map, uint32_t stride)
{
    for (size_t i = 0; i < map->n_classes; i++)
        if (map->classes[i].stride == stride || map->n_classes == MOST_CLASSES)
            return &map->classes[i];
    map->classes = memory_resize(map->classes, map->n_classes + 1, sizeof *map->classes);
    map->classes[map->n_classes] = (struct map_class){.stride = stride};
    return &map->classes[map->n_classes++];
}

static unsigned kind_of(const struct record_region *region)
{
    return region->engine < RECORD_ENGINES ? region->engine : RECORD_ENGINE_NONE;
}

static bool has_strip(const struct record_region *region)
{
    return region->stride == 0 && kind_of(region) != RECORD_ENGINE_GUARDED;
}

static void begin_region(struct mapper *mapper, size_t index)
{
    struct heap_map *map = mapper->map;
    const struct record_region *region = &mapper->records->regions[index];
    struct map_engine *engine = &map->engines[kind_of(region)];
    mapper->region = index;
    mapper->live = mapper->quarantined = mapper->own = mapper->live_bytes = mapper->cursor = 0;
    mapper->arena = NULL;
    engine->regions++;
    engine->mapped += region->bytes;
    if (!has_strip(region))
        return;
    engine->arenas = memory_resize(engine->arenas, engine->n_arenas + 1, sizeof *engine->arenas);
    mapper->arena = &engine->arenas[engine->n_arenas++];
    *mapper->arena = (struct map_arena){.base = region->base, .bytes = region->bytes};
    mapper->arena->live = arena_new(&map->arena, map->cells * sizeof *mapper->arena->live);
    mapper->arena->quarantined = arena_new(&map->arena, map->cells * sizeof *mapper->arena->quarantined);
}

static void end_slab(struct mapper *mapper, const struct record_region *region, struct map_engine *engine)
{
    uint64_t used = mapper->live + mapper->quarantined + mapper->own;
    uint64_t free_slots = region->slots > used ? region->slots - used : 0;
    engine->free_bytes += free_slots * region->stride;
    if (free_slots && region->stride > engine->largest_free)
        engine->largest_free = region->stride;
    engine->free_segments += free_slots;
    struct map_class *class = class_for(mapper->map, region->stride);
    class->slabs++;
    class->slots += region->slots;
    class->live += mapper->live;
    class->quarantined += mapper->quarantined;
    class->own += mapper->own;
    class->live_bytes += mapper->live_bytes;
    class->by_fill[mapper->live == 0 ? 0 : 1 + (4 * mapper->live - 1) / (region->slots ? region->slots : 1)]++;
}

static void end_region(struct mapper *mapper)
{
    if (mapper->region >= mapper->records->n_regions)
        return;
    const struct record_region *region = &mapper->records->regions[mapper->region];
    struct map_engine *engine = &mapper->map->engines[kind_of(region)];
    if (mapper->arena) {
        add_gap(engine, mapper->arena, region->engine == RECORD_ENGINE_BUDDY, mapper->cursor, region->bytes);
    } else if (kind_of(region) == RECORD_ENGINE_SLAB) {
        end_slab(mapper, region, engine);
    } else if (kind_of(region) == RECORD_ENGINE_GUARDED) {
        engine->slots += region->slots;
    } else if (!mapper->live && !mapper->quarantined && !mapper->own) {
        engine->free_bytes += region->bytes;
    }
}

/* ---- blocks ---- */

/* What a block takes of its arena, from its base, guards and rounding included. */
static void extent_of(const struct mapper *mapper, const struct record_region *region, const struct walked *block, uint64_t *start, uint64_t *end)
{
    const struct record_anchor *anchor = &mapper->records->anchor;
    uint64_t front = anchor->front_guard, within = block->address - region->base;
    uint64_t left = region->bytes - within, size = walked_size(block) + anchor->rear_guard;
    *start = within > front ? within - front : 0;
    *end = size < left ? within + size : region->bytes;
    if (region->engine == RECORD_ENGINE_BUDDY) {
        uint64_t chunk = UNIT;
        while (*start / chunk != (*end - 1) / chunk && chunk < UINT64_C(1) << 62)
            chunk *= 2;
        *start = *start / chunk * chunk;
        *end = *start + chunk;
    } else {
        *end = (*end + GRAIN - 1) / GRAIN * GRAIN;
    }
    if (*end > region->bytes)
        *end = region->bytes;
}

static uint64_t add_placed(struct mapper *mapper, const struct record_region *region, struct map_engine *engine, const struct walked *block, bool live)
{
    uint64_t start, end;
    bool buddy = region->engine == RECORD_ENGINE_BUDDY;
    extent_of(mapper, region, block, &start, &end);
    if (start < mapper->cursor)
        start = mapper->cursor;
    if (end <= start)
        return 0;
    add_gap(engine, mapper->arena, buddy, mapper->cursor, start);
    mapper->cursor = end;
    mapper->arena->occupied += end - start;
    fill_cells(mapper->map, mapper->arena, live ? mapper->arena->live : mapper->arena->quarantined, start, end);
    if (!(record_head_flags(block->block.head) & RECORD_FLAG_OWN))
        *(live ? &mapper->arena->live_bytes : &mapper->arena->quarantined_bytes) += walked_size(block);
    if (buddy) {
        unsigned order = log2_of(end - start) < MAP_ORDERS ? log2_of(end - start) : MAP_ORDERS - 1;
        (live ? engine->chunks_live : engine->chunks_quarantined)[order]++;
    }
    return end - start;
}

static void add_block(struct mapper *mapper, const struct walked *block)
{
    const struct record_region *region = &mapper->records->regions[block->region];
    struct map_engine *engine = &mapper->map->engines[kind_of(region)];
    const struct record_anchor *anchor = &mapper->records->anchor;
    uint64_t size = walked_size(block), page = anchor->page_size ? anchor->page_size : 4096, occupied;
    bool live = walked_state(block) == RECORD_BLOCK_LIVE;
    if (!live && walked_state(block) != RECORD_BLOCK_QUARANTINED)
        return;
    if (mapper->arena)
        occupied = add_placed(mapper, region, engine, block, live);
    else if (kind_of(region) == RECORD_ENGINE_GUARDED)
        occupied = (size / page + (size % page != 0 || size == 0)) * page;
    else
        occupied = kind_of(region) == RECORD_ENGINE_SLAB ? region->stride : region->bytes;
    if (record_head_flags(block->block.head) & RECORD_FLAG_OWN) {
        mapper->own++;
        engine->own++;
        engine->own_occupied += occupied;
        return;
    }
    *(live ? &mapper->live : &mapper->quarantined) += 1;
    *(live ? &engine->live : &engine->quarantined) += 1;
    *(live ? &engine->live_bytes : &engine->quarantined_bytes) += size;
    *(live ? &engine->live_occupied : &engine->quarantined_occupied) += occupied;
    mapper->live_bytes += live ? size : 0;
}

static int by_stride(const void *left, const void *right)
{
    const struct map_class *a = left, *b = right;
    return a->stride < b->stride ? -1 : a->stride > b->stride;
}

void heap_map_make(struct heap_map *map, struct records *records, size_t cells)
{
    struct block_walk walk;
    struct walked block;
    struct mapper mapper = {.map = map, .records = records, .region = records->n_regions};
    memset(map, 0, sizeof *map);
    map->cells = cells ? cells : 1;
    block_walk_start(&walk, records);
    walk.own_too = true;
    size_t next = 0;
    bool more;
    do {
        more = block_walk_next(&walk, &block);
        size_t region = more ? block.region : records->n_regions;
        for (; next <= region && next < records->n_regions; next++) {
            end_region(&mapper);
            begin_region(&mapper, next);
        }
        if (more)
            add_block(&mapper, &block);
    } while (more);
    end_region(&mapper);
    block_walk_end(&walk);
    if (map->n_classes)
        qsort(map->classes, map->n_classes, sizeof *map->classes, by_stride);
}

void heap_map_free(struct heap_map *map)
{
    for (int i = 0; i < RECORD_ENGINES; i++)
        free(map->engines[i].arenas);
    free(map->classes);
    arena_free(&map->arena);
}

struct map_engine heap_map_total(const struct heap_map *map)
{
    struct map_engine total = {.regions = 0};
    for (int i = 0; i < RECORD_ENGINES; i++) {
        const struct map_engine *engine = &map->engines[i];
        total.regions += engine->regions;
        total.mapped += engine->mapped;
        total.live += engine->live;
        total.live_bytes += engine->live_bytes;
        total.live_occupied += engine->live_occupied;
        total.quarantined += engine->quarantined;
        total.quarantined_bytes += engine->quarantined_bytes;
        total.quarantined_occupied += engine->quarantined_occupied;
        total.own += engine->own;
        total.own_occupied += engine->own_occupied;
        total.free_bytes += engine->free_bytes;
        total.free_segments += engine->free_segments;
        if (engine->largest_free > total.largest_free)
            total.largest_free = engine->largest_free;
    }
    return total;
}

void heap_map_refresh(struct records *records)
{
    struct heap_map map;
    uint64_t zones = (uint64_t)records->anchor.front_guard + records->anchor.rear_guard;
    heap_map_make(&map, records, 1);
    for (int i = 1; i < RECORD_ENGINES; i++) {
        const struct map_engine *engine = &map.engines[i];
        uint64_t blocks = engine->live + engine->quarantined + engine->own;
        struct record_engine_stats *stats = &records->engines[i];
        /* The guarded engine does not count what is freed. */
        if (stats->blocks == (i == RECORD_ENGINE_GUARDED ? engine->live : blocks))
            continue;
        *stats = (struct record_engine_stats){
            .mapped = engine->mapped, .blocks = blocks, .free_bytes = engine->free_bytes, .largest_free = engine->largest_free,
            .requested = engine->live_bytes + engine->quarantined_bytes + blocks * zones,
            .occupied = engine->live_occupied + engine->quarantined_occupied + engine->own_occupied,
        };
    }
    heap_map_free(&map);
}
