/* Numbering the living blocks of an image, in address order.
 *
 *   1. size[] and marks[] are reserved for every slot there is and cut to the living ones afterwards (untouched memory costs nothing).
 *   2. Threads take one region after the other (leak_region.c), number its blocks from 0 and leave their sizes and marks where the
 *      region's slots have their room.
 *   3. Then, in address order, each region's numbers are raised to follow those before it, and what it left is moved up. Regions with objects
 *      of pools in them, and objects outside, have their turn here.
 *   4. bucket[] divides the heap's span so that a look-up starts at most a few extents from its goal. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "leak_index.h"
#include "memory.h"
#include "page.h"

static void graph_free_extents(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_extents; i++) {
        free(graph->extents[i].words);
        free(graph->extents[i].offsets);
    }
    free(graph->extents);
}

static bool make_buckets(struct graph *graph)
{
    graph->low = graph->extents[0].base;
    graph->span = graph->extents[graph->n_extents - 1].end - graph->low;
    size_t wanted = 4 * graph->n_extents + 1024;
    while (graph->bucket_shift < 60 && graph->span >> graph->bucket_shift > wanted)
        graph->bucket_shift++;
    size_t n = (size_t)(graph->span >> graph->bucket_shift) + 2, at = 0;
    graph->bucket = memory_try(n, sizeof *graph->bucket);
    if (!graph->bucket)
        return false;
    for (size_t k = 0; k < n; k++) {
        uint64_t start = (uint64_t)k << graph->bucket_shift;
        while (at < graph->n_extents && graph->extents[at].end - graph->low <= start)
            at++;
        graph->bucket[k] = (uint32_t)at;
    }
    return true;
}

/* One region's blocks, numbered from 0, as if there were no others. */
struct part {
    struct graph graph;         /* extents, n, size, marks, big: its own; size and marks lie in those of the whole */
    uint64_t damaged, busy;
    bool no_memory;
};

struct indexing {
    struct graph *graph;
    struct stacks stacks;
    struct part *parts;         /* [records->n_regions] */
    size_t *objects;            /* [the same]: objects of pools in that region: it is not indexed as a part */
    atomic_size_t next;         /* regions to be taken */
    size_t batch;               /* so many at a time: the records of neighbours lie side by side */
};

static void index_part(struct indexing *indexing, size_t index, struct image_stream *stream)
{
    struct part *part = &indexing->parts[index];
    struct indexer indexer = {.graph = &part->graph, .stacks = &indexing->stacks, .stream = stream};
    region_index(&indexer, index);
    part->damaged = indexer.damaged;
    part->busy = indexer.busy;
    part->no_memory = indexer.no_memory;
}

static void *index_parts(void *argument)
{
    struct indexing *indexing = argument;
    size_t n = indexing->graph->records->n_regions;
    struct image_stream stream;
    if (!stream_begin(&stream, indexing->graph->records->image))
        return NULL;
    for (size_t first; (first = atomic_fetch_add(&indexing->next, indexing->batch)) < n;)
        for (size_t index = first; index < n && index < first + indexing->batch; index++)
            if (!indexing->objects[index])
                index_part(indexing, index, &stream);
    stream_end(&stream);
    return indexing;
}

/* All regions by themselves, by several threads. false: no memory. */
static bool index_regions(struct indexing *indexing, uint64_t slots)
{
    pthread_t threads[SCAN_CREW_MOST];
    unsigned n = scan_crew(indexing->graph, (size_t)(slots / UNIT_BLOCKS)), started = 0;
    indexing->batch = scan_batch(indexing->graph->records->n_regions, n);
    while (started + 1 < n && pthread_create(&threads[started], NULL, index_parts, indexing) == 0)
        started++;
    bool done = index_parts(indexing) != NULL;
    while (started)
        pthread_join(threads[--started], NULL);     /* one that had no memory left its work to the others */
    return done;
}

/* Numbers a part's blocks after those that there are. */
static void join_part(struct indexer *indexer, struct part *part)
{
    struct graph *graph = indexer->graph, *own = &part->graph;
    indexer->damaged += part->damaged;
    indexer->busy += part->busy;
    indexer->no_memory |= part->no_memory;
    if (own->n > MAX_BLOCKS - graph->n || part->no_memory) {
        indexer->damaged += own->n;
        graph_free_extents(own);
        free(own->big);
        return;
    }
    if (graph->size + graph->n != own->size) {
        memmove(graph->size + graph->n, own->size, own->n * sizeof *own->size);
        memmove(graph->marks + graph->n, own->marks, own->n * sizeof *own->marks);
    }
    if (own->n_extents)
        graph->extents = memory_resize(graph->extents, graph->n_extents + own->n_extents, sizeof *graph->extents);
    for (size_t i = 0; i < own->n_extents; i++) {
        graph->extents[graph->n_extents] = own->extents[i];
        graph->extents[graph->n_extents++].first += graph->n;
    }
    if (graph->n_big + own->n_big > graph->room_big)
        graph->big = memory_resize(graph->big, graph->room_big = 2 * (graph->n_big + own->n_big), sizeof *graph->big);
    for (size_t i = 0; i < own->n_big; i++)
        graph->big[graph->n_big++] = (struct big_block){graph->n + own->big[i].block, own->big[i].size};
    graph->n += own->n;
    free(own->extents);
    free(own->big);
}

/* Regions without objects are indexed where their slots have room; which have some is known from the start. */
static void lay_out(struct indexing *indexing)
{
    struct graph *graph = indexing->graph;
    const struct records *records = graph->records;
    uint64_t at = 0;
    size_t next = 0;
    for (size_t i = 0; i < records->n_regions; i++) {
        const struct record_region *region = &records->regions[i];
        size_t end = graph_objects_from(graph, region->base + region->bytes), first = graph_objects_from(graph, region->base);
        at += first > next ? first - next : 0;
        next = first > next ? first : next;
        indexing->objects[i] = end > next ? end - next : 0;
        indexing->parts[i].graph = (struct graph){.records = graph->records, .options = graph->options, .result = graph->result,
                                                  .size = graph->size + at, .marks = graph->marks + at};
        at += region->slots + indexing->objects[i];
        next += indexing->objects[i];
    }
}

/* Everything in address order. */
static void join_all(struct indexing *indexing, struct indexer *indexer)
{
    struct graph *graph = indexing->graph;
    size_t next = 0;            /* object */
    for (size_t i = 0; i < graph->records->n_regions; i++) {
        if (!indexer->no_memory)
            region_index_outside(indexer, &next, graph->records->regions[i].base);
        if (!indexing->objects[i])
            join_part(indexer, &indexing->parts[i]);
        else if (!indexer->no_memory)
            region_index_mixed(indexer, i, next, indexing->objects[i]);
        next += indexing->objects[i];
    }
    if (!indexer->no_memory)
        region_index_outside(indexer, &next, UINT64_MAX);
}

bool graph_index(struct graph *graph, struct error *error)
{
    struct records *records = graph->records;
    struct indexing indexing = {.graph = graph, .stacks.asking = PTHREAD_MUTEX_INITIALIZER};
    struct image_stream stream;
    struct indexer indexer = {.graph = graph, .stacks = &indexing.stacks, .stream = &stream};
    uint64_t slots = 0;
    graph_take_objects(graph);
    slots = graph->n_objects;
    for (size_t i = 0; i < records->n_regions; i++)
        slots += records->regions[i].slots;
    indexing.stacks.n = (size_t)records->tables[RECORD_TABLE_STACKS].count;
    indexing.stacks.tls_known = memory_try(indexing.stacks.n, 1);
    indexing.parts = memory_try(records->n_regions, sizeof *indexing.parts);
    indexing.objects = memory_try(records->n_regions, sizeof *indexing.objects);
    bool streams = stream_begin(&stream, records->image);
    graph->size = memory_try(slots, sizeof *graph->size);
    graph->marks = memory_try(slots, sizeof *graph->marks);
    indexer.no_memory = !indexing.stacks.tls_known || !indexing.parts || !indexing.objects || !streams || !graph->size || !graph->marks;
    if (!indexer.no_memory) {
        lay_out(&indexing);
        indexer.no_memory = !index_regions(&indexing, slots);
        join_all(&indexing, &indexer);
    }
    free(indexing.stacks.tls_known);
    free(indexing.parts);
    free(indexing.objects);
    stream_end(&stream);
    if (!indexer.no_memory && graph->n) {
        graph->size = memory_resize(graph->size, graph->n, sizeof *graph->size);
        graph->marks = memory_resize(graph->marks, graph->n, sizeof *graph->marks);
        indexer.no_memory = !make_buckets(graph);
    }
    if (indexer.no_memory) {
        error_set(error, "no memory to number %s blocks", PAGE_COUNT(slots));
        return false;
    }
    if (indexer.damaged)
        records_problem(records, "%s damaged block record%s left out", PAGE_COUNT(indexer.damaged), indexer.damaged == 1 ? " was" : "s were");
    if (indexer.busy && records->anchor.phase != RECORD_EXITING)
        records_problem(records, "%s block%s being allocated or freed when the image was taken: left out", PAGE_COUNT(indexer.busy),
                        indexer.busy == 1 ? " was" : "s were");
    return true;
}

void graph_free(struct graph *graph)
{
    graph_free_extents(graph);
    edges_free(&graph->edge_store);
    free(graph->objects);
    free(graph->supers);
    free(graph->bucket);
    free(graph->size);
    free(graph->marks);
    free(graph->big);
    free(graph->edges);
    free(graph->edge_end);
    free(graph->leader);
    free(graph->roots);
    free(graph->root_interior);
    free(graph->seeds);
}
