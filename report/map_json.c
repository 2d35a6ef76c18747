/* `midden map` as JSON, schema midden-map/1. */
#include "map_json.h"

#include "json_parts.h"

static json_t *sums_json(const struct map_engine *engine)
{
    json_t *object = json_object();
    put_json(object, "mapped", as_number(engine->mapped));
    put_json(object, "regions", as_number(engine->regions));
    put_json(object, "live", as_total(engine->live_bytes, engine->live));
    put_json(object, "live_occupied", as_number(engine->live_occupied));
    put_json(object, "quarantined", as_total(engine->quarantined_bytes, engine->quarantined));
    put_json(object, "quarantined_occupied", as_number(engine->quarantined_occupied));
    put_json(object, "own", as_total(engine->own_occupied, engine->own));
    put_json(object, "free_bytes", as_number(engine->free_bytes));
    put_json(object, "free_segments", as_number(engine->free_segments));
    put_json(object, "largest_free", as_number(engine->largest_free));
    return object;
}

static json_t *classes_json(const struct heap_map *map)
{
    json_t *list = json_array();
    for (size_t i = 0; i < map->n_classes; i++) {
        const struct map_class *class = &map->classes[i];
        uint64_t used = class->live + class->quarantined + class->own;
        json_t *object = json_object(), *fill = json_array();
        put_json(object, "slot_bytes", as_number(class->stride));
        put_json(object, "slabs", as_number(class->slabs));
        put_json(object, "slots", as_number(class->slots));
        put_json(object, "live", as_total(class->live_bytes, class->live));
        put_json(object, "quarantined", as_number(class->quarantined));
        put_json(object, "own", as_number(class->own));
        put_json(object, "free", as_number(class->slots > used ? class->slots - used : 0));
        for (int k = 0; k < MAP_QUARTERS; k++)
            json_array_append_new(fill, as_number(class->by_fill[k]));
        put_json(object, "slabs_by_fill", fill);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *arenas_json(const struct map_engine *engine)
{
    json_t *list = json_array();
    for (size_t i = 0; i < engine->n_arenas; i++) {
        const struct map_arena *arena = &engine->arenas[i];
        json_t *object = json_object();
        put_json(object, "base", as_address(arena->base));
        put_json(object, "bytes", as_number(arena->bytes));
        put_json(object, "live_bytes", as_number(arena->live_bytes));
        put_json(object, "quarantined_bytes", as_number(arena->quarantined_bytes));
        put_json(object, "occupied", as_number(arena->occupied));
        put_json(object, "free_segments", as_number(arena->free_segments));
        put_json(object, "largest_free", as_number(arena->largest_free));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *histogram_json(const struct map_engine *engine, bool buddy)
{
    json_t *list = json_array();
    for (int i = 0; i < MAP_ORDERS; i++) {
        json_t *object;
        if (buddy ? !(engine->chunks_live[i] + engine->chunks_quarantined[i] + engine->chunks_free[i]) : !engine->segments[i])
            continue;
        object = json_object();
        if (buddy) {
            put_json(object, "chunk_bytes", as_number(UINT64_C(1) << i));
            put_json(object, "live", as_number(engine->chunks_live[i]));
            put_json(object, "quarantined", as_number(engine->chunks_quarantined[i]));
            put_json(object, "free", as_number(engine->chunks_free[i]));
        } else {
            put_json(object, "at_least", as_number(UINT64_C(1) << i));
            put_json(object, "below", as_number(UINT64_C(2) << i));
            put_json(object, "segments", as_number(engine->segments[i]));
            put_json(object, "bytes", as_number(engine->segment_bytes[i]));
        }
        json_array_append_new(list, object);
    }
    return list;
}

void map_json(const struct heap_map *map, const struct opened *opened, FILE *out)
{
    json_t *root = json_object(), *engines = json_object();
    struct map_engine total = heap_map_total(map);
    put_json(root, "schema", json_string("midden-map/1"));
    put_json(root, "image", opened_json(opened));
    put_json(root, "total", sums_json(&total));
    for (int i = 1; i < RECORD_ENGINES; i++) {
        const struct map_engine *engine = &map->engines[i];
        json_t *object = sums_json(engine);
        if (i == RECORD_ENGINE_SLAB)
            put_json(object, "classes", classes_json(map));
        if (i == RECORD_ENGINE_GUARDED)
            put_json(object, "places", as_number(engine->slots));
        if (i == RECORD_ENGINE_FREELIST || i == RECORD_ENGINE_BUDDY)
            put_json(object, "arenas", arenas_json(engine));
        if (i == RECORD_ENGINE_FREELIST)
            put_json(object, "segments", histogram_json(engine, false));
        if (i == RECORD_ENGINE_BUDDY)
            put_json(object, "orders", histogram_json(engine, true));
        put_json(engines, map_engine_names[i], object);
    }
    put_json(root, "engines", engines);
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}
