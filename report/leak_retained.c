/* What each block retains, reachable ones too: dominators of the whole graph, from everything that the roots hold.
 *
 * Any pointer counts, to the start or the inside of a block: a block retains what nothing else leads to at all. The graph is
 * searched once, when first asked; see leak_flow.h for its cost. */
#include <stdlib.h>

#include "leak_paths.h"
#include "memory.h"

struct starting {
    const struct graph *graph;
    uint8_t *seen;              /* a bit per block */
    uint32_t *list;
    size_t n, room;
};

static void start_with(struct starting *starting, uint32_t block)
{
    if (starting->seen[block / 8] & 1u << block % 8)
        return;
    starting->seen[block / 8] |= (uint8_t)(1u << block % 8);
    if (starting->n == starting->room)
        starting->list = memory_resize(starting->list, starting->room = starting->room ? 2 * starting->room : 1024, sizeof *starting->list);
    starting->list[starting->n++] = block;
}

static void start_at_root(void *ctx, const struct root *root, uint64_t at, uint64_t word)
{
    struct starting *starting = ctx;
    uint64_t offset;
    uint32_t block = graph_find(starting->graph, word, &offset);
    (void)root;
    (void)at;
    if (block != NO_BLOCK)
        start_with(starting, block);
}

static bool make_flow(struct paths *paths)
{
    struct graph *graph = &paths->graph;
    if (paths->flow_made)
        return paths->flow.n != 0;
    paths->flow_made = true;
    struct starting starting = {.graph = graph, .seen = memory_try(graph->n / 8 + 1, 1)};
    if (!starting.seen || !graph->n)
        return false;
    graph_visit_roots(graph, ROOT_MEMORY, ROOT_REGISTERS, start_at_root, &starting);
    for (uint32_t block = 0; block < graph->n; block++)
        if (!(graph->marks[block] & (MARK_REACHED | MARK_POSSIBLE | MARK_INDIRECT)) || (graph->marks[block] & (MARKS_HIDDEN | MARK_IGNORED)))
            start_with(&starting, block);
    bool made = flow_make(&paths->flow, graph, starting.list, starting.n, 0);
    free(starting.seen);
    free(starting.list);
    return made;
}

bool paths_retained(struct paths *paths, uint64_t address, struct leak_total *retained)
{
    uint64_t offset;
    uint32_t block = paths->graph.n ? graph_find(&paths->graph, address, &offset) : NO_BLOCK;
    *retained = (struct leak_total){0, 0};
    if (block == NO_BLOCK || !make_flow(paths))
        return false;
    *retained = flow_retained(&paths->flow, block);
    return true;
}

size_t paths_largest(struct paths *paths, uint64_t *addresses, struct leak_total *retained, size_t room)
{
    const struct flow *flow = &paths->flow;
    size_t n = 0;
    if (!room || !make_flow(paths))
        return 0;
    /* Those that nothing dominates; kept sorted in the answer, which is short. */
    for (uint32_t node = 1; node <= flow->n; node++) {
        struct leak_total total = {flow->retained_bytes[node], flow->retained_blocks[node]};
        if (flow->dominator[node] || (n == room && total.bytes <= retained[n - 1].bytes) || !total.blocks)
            continue;
        size_t at = n < room ? n++ : n - 1;
        for (; at && retained[at - 1].bytes < total.bytes; at--) {
            retained[at] = retained[at - 1];
            addresses[at] = addresses[at - 1];
        }
        retained[at] = total;
        addresses[at] = graph_address(&paths->graph, flow->block[node]);
    }
    return n;
}
