/* Cycles and dominators of the graph of blocks.
 *
 *   1. Depth first from the starts, without recursion: nodes are numbered as they are met. On the way Tarjan's algorithm finds the
 *      strongly connected components: low[v] is the smallest number that v's part of the search reaches among nodes whose
 *      component is not closed; a node whose low is itself closes one.
 *   2. The edges turned round: per node the nodes that lead to it.
 *   3. Dominators by semi-NCA (Georgiadis): in falling order each node's semidominator, the smallest node from which a path leads to
 *      it whose inner nodes are all larger, by look-ups with path compression in the forest of nodes already done; then in rising
 *      order the dominator, the nearest ancestor in the tree of dominators that is not above the semidominator.
 *   4. What a node retains: sums in falling order, each node's into its dominator's.
 *
 * Cost: linear in blocks and pointers, but for a factor of the look-ups that stays near 1. Memory while it is made: 4 bytes per
 * block of the graph, 36 per node, 4 per pointer between nodes. */
#include "leak_flow.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct making {
    struct flow *flow;
    const struct graph *graph;
    uint8_t without;
    uint32_t *parent;           /* in the tree of the search */
    uint32_t *low;              /* 1: as above, 0 when the component is closed. 3: label */
    uint32_t *stack;            /* 1: nodes of components that are not closed; 3: a path to be compressed */
    uint32_t *position;         /* 1: of a node under way, the next edge. 3: semidominator */
    uint32_t *first;            /* [n + 2]: where the nodes that lead to a node start in `from` */
    uint32_t *from;
    uint32_t top;
    size_t room_cycles;
};

/* ---- numbering and cycles ---- */

static uint32_t new_node(struct making *making, uint32_t block, uint32_t parent)
{
    struct flow *flow = making->flow;
    uint32_t node = ++flow->n;
    flow->number[block] = node;
    flow->block[node] = block;
    making->parent[node] = parent;
    making->low[node] = node;
    making->position[node] = 0;
    making->stack[making->top++] = node;
    return node;
}

/* The nodes from `node` up on the stack are a component. */
static void close_component(struct making *making, uint32_t node)
{
    struct flow *flow = making->flow;
    uint32_t bottom = making->top;
    while (making->stack[--bottom] != node)
        making->low[making->stack[bottom]] = 0;
    making->low[node] = 0;
    if (making->top - bottom > 1) {
        if (flow->n_cycles == making->room_cycles)
            flow->cycles = memory_resize(flow->cycles, making->room_cycles = making->room_cycles ? 2 * making->room_cycles : 64,
                                         sizeof *flow->cycles);
        struct flow_cycle *cycle = &flow->cycles[flow->n_cycles++];
        *cycle = (struct flow_cycle){.entry = flow->block[node], .blocks = making->top - bottom,
                                     .holder = making->parent[node] ? flow->block[making->parent[node]] : NO_BLOCK};
        for (uint32_t i = bottom; i < making->top; i++) {
            uint32_t block = flow->block[making->stack[i]];
            cycle->bytes += graph_size(making->graph, block);
            /* Until dominators are known: which cycle a node is of. Numbered from 1, in node order of retained_blocks. */
            flow->retained_blocks[making->stack[i]] = (uint32_t)flow->n_cycles;
        }
    }
    making->top = bottom;
}

/* Follows one edge of `node`: the node to go on with, itself while nothing new was met, its parent when it is done. */
static uint32_t step(struct making *making, uint32_t node)
{
    const struct graph *graph = making->graph;
    struct flow *flow = making->flow;
    const uint32_t *edges;
    uint32_t n = graph_edges(graph, flow->block[node], &edges);
    while (making->position[node] < n) {
        uint32_t target = edges[making->position[node]++] & ~EDGE_INTERIOR;
        if (graph->marks[target] & making->without)
            continue;
        uint32_t other = flow->number[target];
        if (!other)
            return new_node(making, target, node);
        if (making->low[other] && other < making->low[node])
            making->low[node] = other;
    }
    uint32_t parent = making->parent[node], low = making->low[node];
    if (low == node)
        close_component(making, node);
    else if (parent && low < making->low[parent])
        making->low[parent] = low;
    return parent;
}

static void number_from(struct making *making, uint32_t start)
{
    if (making->flow->number[start] || (making->graph->marks[start] & making->without))
        return;
    for (uint32_t node = new_node(making, start, 0); node;)
        node = step(making, node);
}

/* ---- edges turned round ---- */

static bool turn_edges(struct making *making)
{
    const struct graph *graph = making->graph;
    const struct flow *flow = making->flow;
    uint64_t all = 0;
    making->first = memory_try((size_t)flow->n + 2, sizeof *making->first);
    if (!making->first)
        return false;
    for (int fill = 0; fill <= 1; fill++) {
        for (uint32_t node = 1; node <= flow->n; node++) {
            const uint32_t *edges;
            uint32_t n = graph_edges(graph, flow->block[node], &edges);
            for (uint32_t k = 0; k < n; k++) {
                uint32_t target = flow->number[edges[k] & ~EDGE_INTERIOR];
                if (!target)
                    continue;
                if (fill)
                    making->from[--making->first[target]] = node;
                else
                    making->first[target]++, all++;
            }
        }
        if (fill)
            break;
        if (all > UINT32_MAX)
            return false;
        making->from = memory_try(all, sizeof *making->from);
        if (!making->from)
            return false;
        for (uint32_t node = 1; node <= flow->n + 1; node++)     /* each one's end; filling moves it to the start */
            making->first[node] += making->first[node - 1];
    }
    return true;
}

/* ---- dominators ---- */

/* The node with the smallest semidominator on the way from `node` up to, not including, the tree's part below `limit`. The way is
 * shortened for the next time: parent[] becomes the forest's. */
static uint32_t best_above(struct making *making, uint32_t node, uint32_t limit)
{
    uint32_t *semi = making->position, *label = making->low, top = 0;
    if (making->parent[node] < limit)
        return label[node];
    for (uint32_t at = node; making->parent[at] >= limit; at = making->parent[at])
        making->stack[top++] = at;
    /* From the top down; the topmost but one of the way has its label already. */
    uint32_t above = making->parent[making->stack[top - 1]];
    while (top) {
        uint32_t at = making->stack[--top];
        if (semi[label[above]] < semi[label[at]])
            label[at] = label[above];
        uint32_t higher = making->parent[above];
        above = at;
        making->parent[at] = higher;
    }
    return label[node];
}

static void find_dominators(struct making *making, const uint32_t *starts, size_t n_starts)
{
    struct flow *flow = making->flow;
    uint32_t *semi = making->position, *label = making->low;
    for (uint32_t node = 0; node <= flow->n; node++) {
        label[node] = semi[node] = node;
        flow->dominator[node] = making->parent[node];
    }
    for (size_t i = 0; i < n_starts; i++)       /* node 0 leads to these, even where the search came another way */
        semi[flow->number[starts[i]]] = 0;
    for (uint32_t node = flow->n; node >= 1; node--) {
        uint32_t best = making->parent[node] < semi[node] ? making->parent[node] : semi[node];
        for (uint32_t i = making->first[node]; i < making->first[node + 1]; i++) {
            uint32_t from = making->from[i];
            uint32_t other = from <= node ? from : semi[best_above(making, from, node + 1)];
            if (other < best)
                best = other;
        }
        semi[node] = best;
    }
    for (uint32_t node = 1; node <= flow->n; node++)
        while (flow->dominator[node] > semi[node])
            flow->dominator[node] = flow->dominator[flow->dominator[node]];
}

/* ---- sums ---- */

static void add_up(struct making *making)
{
    struct flow *flow = making->flow;
    const struct graph *graph = making->graph;
    uint32_t *cycle_of = making->stack;     /* per node, from 1; 0: of none */
    for (uint32_t node = 1; node <= flow->n; node++) {
        uint32_t block = flow->block[node];
        bool counts = !(graph->marks[block] & MARKS_HIDDEN);
        cycle_of[node - 1] = flow->retained_blocks[node];
        flow->retained_bytes[node] = counts ? graph_size(graph, block) : 0;
        flow->retained_blocks[node] = counts;
    }
    for (uint32_t node = flow->n; node >= 1; node--) {
        flow->retained_bytes[flow->dominator[node]] += flow->retained_bytes[node];
        flow->retained_blocks[flow->dominator[node]] += flow->retained_blocks[node];
    }
    /* Members that no other member dominates have everything that the cycle retains between them. A dominator outside the cycle
     * cannot have one of its members above it: then that member would be on the way to it and it on the way back. */
    for (uint32_t node = 1; node <= flow->n; node++) {
        uint32_t cycle = cycle_of[node - 1], above = flow->dominator[node];
        if (!cycle || (above && cycle_of[above - 1] == cycle))
            continue;
        flow->cycles[cycle - 1].retained.bytes += flow->retained_bytes[node];
        flow->cycles[cycle - 1].retained.blocks += flow->retained_blocks[node];
    }
}

static int by_entry(const void *left, const void *right)
{
    const struct flow_cycle *a = left, *b = right;
    return a->entry < b->entry ? -1 : a->entry > b->entry;
}

bool flow_make(struct flow *flow, const struct graph *graph, const uint32_t *starts, size_t n_starts, uint8_t without)
{
    struct making making = {.flow = flow, .graph = graph, .without = without};
    size_t members = 1;
    *flow = (struct flow){0};
    for (uint32_t block = 0; block < graph->n; block++)
        members += !(graph->marks[block] & without);
    flow->number = memory_try(graph->n, sizeof *flow->number);
    flow->block = memory_try(members, sizeof *flow->block);
    flow->dominator = memory_try(members, sizeof *flow->dominator);
    flow->retained_bytes = memory_try(members, sizeof *flow->retained_bytes);
    flow->retained_blocks = memory_try(members, sizeof *flow->retained_blocks);
    making.parent = memory_try(members, sizeof *making.parent);
    making.low = memory_try(members, sizeof *making.low);
    making.stack = memory_try(members, sizeof *making.stack);
    making.position = memory_try(members, sizeof *making.position);
    bool done = flow->number && flow->block && flow->dominator && flow->retained_bytes && flow->retained_blocks && making.parent
             && making.low && making.stack && making.position;
    if (done) {
        for (size_t i = 0; i < n_starts; i++)
            number_from(&making, starts[i]);
        done = turn_edges(&making);
    }
    if (done) {
        find_dominators(&making, starts, n_starts);
        add_up(&making);
        if (flow->n_cycles)
            qsort(flow->cycles, flow->n_cycles, sizeof *flow->cycles, by_entry);
    }
    free(making.parent);
    free(making.low);
    free(making.stack);
    free(making.position);
    free(making.first);
    free(making.from);
    if (!done)
        flow_free(flow);
    return done;
}

void flow_free(struct flow *flow)
{
    free(flow->number);
    free(flow->block);
    free(flow->dominator);
    free(flow->retained_bytes);
    free(flow->retained_blocks);
    free(flow->cycles);
    *flow = (struct flow){0};
}

struct leak_total flow_retained(const struct flow *flow, uint32_t block)
{
    uint32_t node = flow->number ? flow->number[block] : 0;
    return node ? (struct leak_total){flow->retained_bytes[node], flow->retained_blocks[node]} : (struct leak_total){0, 0};
}

const struct flow_cycle *flow_cycle_at(const struct flow *flow, uint32_t block)
{
    const struct flow_cycle wanted = {.entry = block};
    return flow->n_cycles ? bsearch(&wanted, flow->cycles, flow->n_cycles, sizeof wanted, by_entry) : NULL;
}
