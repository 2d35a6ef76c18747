/* What concerns all engines at once: figures, locks around fork, consistency. */
#include "heap/internal.h"
#include "heap/port.h"

void heap_stats(struct heap *heap, struct heap_engine_stats *stats)
{
    zero_bytes(stats, HEAP_ENGINES * sizeof *stats);
    for (unsigned class = 0; class < heap->depots_used; class++) {
        port_lock(&heap->hooks, heap->depots[class].lock);
        slab_stats(&heap->depots[class].cache, &stats[HEAP_SLAB]);
        port_unlock(&heap->hooks, heap->depots[class].lock);
    }
    medium_stats(&heap->medium, &stats[HEAP_FREELIST]);
    large_stats(&heap->large, &stats[HEAP_BUDDY]);
    huge_stats(&heap->huge, &stats[HEAP_HUGE]);
    struct heap_engine_stats *sum = &stats[HEAP_AUTO];
    sum->largest_free = pages_largest(&heap->pages);
    port_lock(&heap->hooks, &heap->pages.lock);
    sum->mapped = sum->free_bytes = heap->pages.free_bytes;
    port_unlock(&heap->hooks, &heap->pages.lock);
    for (int engine = HEAP_AUTO + 1; engine < HEAP_ENGINES; engine++) {
        sum->mapped += stats[engine].mapped;
        sum->requested += stats[engine].requested;
        sum->occupied += stats[engine].occupied;
        sum->free_bytes += stats[engine].free_bytes;
        sum->blocks += stats[engine].blocks;
        if (stats[engine].largest_free > sum->largest_free)
            sum->largest_free = stats[engine].largest_free;
    }
}

size_t heap_overhead(struct heap *heap)
{
    size_t bytes = heap->own_bytes + meta_bytes(&heap->meta);
    port_lock(&heap->hooks, &heap->medium.lock);
    bytes += heap->medium.nodes.held;
    port_unlock(&heap->hooks, &heap->medium.lock);
    port_lock(&heap->hooks, &heap->pages.lock);
    bytes += heap->pages.map.nodes * port_kept_bytes(&heap->meta_hooks, heap->pages.map.node_bytes, heap->config.page_size);
    port_unlock(&heap->hooks, &heap->pages.lock);
    return bytes;
}

void heap_lock_all(struct heap *heap)
{
    for (unsigned i = 0; i < CLASS_LOCKS; i++)
        port_lock(&heap->hooks, &heap->class_locks[i].lock);
    port_lock(&heap->hooks, &heap->medium.lock);
    port_lock(&heap->hooks, &heap->large.lock);
    port_lock(&heap->hooks, &heap->huge.lock);
    port_lock(&heap->hooks, &heap->pages.lock);
    port_lock(&heap->hooks, &heap->meta.lock);
}

void heap_unlock_all(struct heap *heap)
{
    port_unlock(&heap->hooks, &heap->meta.lock);
    port_unlock(&heap->hooks, &heap->pages.lock);
    port_unlock(&heap->hooks, &heap->huge.lock);
    port_unlock(&heap->hooks, &heap->large.lock);
    port_unlock(&heap->hooks, &heap->medium.lock);
    for (unsigned i = CLASS_LOCKS; i > 0; i--)
        port_unlock(&heap->hooks, &heap->class_locks[i - 1].lock);
}

unsigned heap_consistent(struct heap *heap, void (*say)(void *ctx, const char *line), void *ctx)
{
    struct check check = {.say = say, .ctx = ctx};
    size_t runs = 0;
    for (unsigned class = 0; class < heap->depots_used; class++) {
        magazine_depot_consistent(&heap->depots[class], &check);
        runs += heap->depots[class].cache.slabs * heap->depots[class].cache.run_bytes;
    }
    medium_consistent(&heap->medium, &check);
    large_consistent(&heap->large, &check);
    huge_consistent(&heap->huge, &check);
    pages_consistent(&heap->pages, &check);
    meta_consistent(&heap->meta, &check);
    pool_consistent(&heap->slabs.slabs, &check);
    pool_consistent(&heap->magazines.magazines, &check);
    runs += heap->medium.list.arena_bytes + heap->large.mapped;
    check_equal(&check, "heap", "pages in use", heap->pages.held_bytes - heap->pages.free_bytes, "held by the engines", runs);
    return check.broken;
}
