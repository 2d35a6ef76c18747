/* The leak check, from first to last: number the blocks, scan them for pointers, mark what the roots hold, search, group.
 * Each step is a file of its own (leak_index.c, leak_scan.c, leak_roots.c, leak_reach.c, leak_group.c); leak_graph.h draws what
 * they share.
 *
 * Cost: linear in the bytes of living blocks and roots. Memory: see leak_graph.h; the heap itself is never copied. */
#include "leaks.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core_gaps.h"
#include "leak_graph.h"
#include "memory.h"
#include "page.h"

const char *const leak_kind_names[LEAK_KINDS] = {
    [LEAK_DEFINITE] = "definite", [LEAK_INDIRECT] = "indirect", [LEAK_POSSIBLE] = "possible", [LEAK_REACHABLE] = "reachable",
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Bytes that the graph holds now. */
static uint64_t graph_memory(const struct graph *graph)
{
    uint64_t bytes = (uint64_t)graph->n * (sizeof *graph->size + sizeof *graph->marks + sizeof *graph->edge_end + sizeof *graph->leader)
                   + graph->n_edges * sizeof **graph->edges + graph->units * sizeof *graph->edges
                   + graph->n_extents * sizeof *graph->extents + graph->n_root_interior * sizeof *graph->root_interior;
    for (size_t i = 0; i < graph->n_extents; i++) {
        const struct extent *extent = &graph->extents[i];
        bytes += extent->words ? (extent->slots + 63) / 64 * sizeof *extent->words : extent->n * sizeof *extent->offsets;
    }
    return bytes;
}

bool graph_check(struct graph *graph, struct error *error)
{
    const struct leaks_options *options = graph->options;
    struct leaks *leaks = graph->result;
    double start = now();
    uint64_t lost = core_gaps(graph->records);
    if (lost)
        records_problem(graph->records, "the core was made by gdb, which stops copying at page guards: the contents of %s block%s are missing "
                        "(midden dump writes all); what seems definitely lost counts as possibly lost", PAGE_COUNT(lost), lost == 1 ? "" : "s");
    leaks->incomplete = lost || graph->records->partial;
    bool done = graph_index(graph, error);
    if (done && graph->n) {
        graph_mark_tls(graph);
        done = graph_scan(graph, error);
        if (done) {
            graph_find_roots(graph);
            graph_mark_memory(graph);
            if (options->progress)
                options->progress(options->ctx, 9, 10);
            done = graph_reach(graph, error) && graph_group(graph, error);
        }
    }
    leaks->pointers = graph->n_edges;
    leaks->memory = graph_memory(graph);
    if (done && options->progress)
        options->progress(options->ctx, 1, 1);
    leaks->seconds = now() - start;
    return done;
}

struct leaks *leaks_check(struct records *records, const struct leaks_options *options, struct error *error)
{
    struct leaks *leaks = memory_new(1, sizeof *leaks);
    struct graph graph = {.records = records, .options = options, .result = leaks};
    bool done = graph_check(&graph, error);
    graph_free(&graph);
    if (done)
        return leaks;
    leaks_free(leaks);
    return NULL;
}

void leaks_free(struct leaks *leaks)
{
    if (!leaks)
        return;
    free(leaks->records);
    free(leaks->slots);
    free(leaks);
}
