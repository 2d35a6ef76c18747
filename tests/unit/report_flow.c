/* Cycles, dominators and what blocks retain, against the plainest reading of the definitions.
 *
 * Graphs of every shape from a seed: random ones of all densities, long lists, rings, trees with edges back and across, shared
 * diamonds, several starts. A block retains what cannot be reached any more when it is left out: so it is left out and the rest
 * searched again. Two blocks are in one cycle when each is reached from the other. */
#include <string.h>

#include "report/leak_flow.h"
#include "unit.h"

#define MOST 220u

struct world {
    uint64_t seed;
    struct graph graph;
    uint32_t n;
    bool edge[MOST][MOST];
    bool start[MOST];
    bool reached[MOST][MOST];   /* from each block */
};

static uint64_t pick(struct world *world, uint64_t n)
{
    return unit_random(&world->seed) % n;
}

/* ---- building ---- */

static void link(struct world *world, uint32_t from, uint32_t to)
{
    if (from != to && from < world->n && to < world->n)
        world->edge[from][to] = true;
}

static void shape(struct world *world)
{
    uint64_t extra = pick(world, 3) ? pick(world, 1 + world->n / 4) : pick(world, 4 * world->n);
    uint64_t kind = pick(world, 6);
    for (uint32_t i = 0; i < world->n; i++) {
        switch (kind) {
        case 0: link(world, i, i + 1); break;                                   /* a list */
        case 1: link(world, i, (i + 1) % 7 ? i + 1 : i - 6); break;             /* rings of seven, … */
        case 2: link(world, i, 2 * i + 1); link(world, i, 2 * i + 2); break;    /* a tree */
        case 3: link(world, i, i + 1); link(world, i, i + 2); break;            /* diamonds */
        case 4: link(world, i, i + 1); link(world, i + 1, i); break;            /* a doubly linked list */
        default: break;
        }
    }
    for (uint64_t i = 0; i < extra; i++)
        link(world, (uint32_t)pick(world, world->n), (uint32_t)pick(world, world->n));
    for (uint64_t i = 0; i < 1 + pick(world, 5); i++)
        world->start[pick(world, world->n)] = true;
}

/* As the leak check would have it: one unit of blocks, edges in one array. */
static void make_graph(struct world *world)
{
    struct graph *graph = &world->graph;
    size_t all = 0;
    memset(graph, 0, sizeof *graph);
    graph->n = world->n;
    graph->size = calloc(world->n, sizeof *graph->size);
    graph->marks = calloc(world->n, 1);
    graph->edge_end = calloc(world->n, sizeof *graph->edge_end);
    graph->edges = calloc(1, sizeof *graph->edges);
    graph->edges[0] = calloc((size_t)world->n * world->n + 1, sizeof **graph->edges);
    for (uint32_t from = 0; from < world->n; from++) {
        graph->size[from] = (uint32_t)pick(world, 100);
        if (pick(world, 30) == 0)
            graph->marks[from] = pick(world, 2) ? MARK_OWN : MARK_REACHED;
        for (uint32_t to = 0; to < world->n; to++)
            if (world->edge[from][to])
                graph->edges[0][all++] = to | (pick(world, 4) ? 0 : EDGE_INTERIOR);
        graph->edge_end[from] = (uint32_t)all;
    }
}

static void free_graph(struct world *world)
{
    free(world->graph.size);
    free(world->graph.marks);
    free(world->graph.edge_end);
    free(world->graph.edges[0]);
    free(world->graph.edges);
}

/* ---- the model ---- */

static bool excluded(const struct world *world, uint32_t block, uint8_t without)
{
    return world->graph.marks[block] & without;
}

/* Marks what is reached from `from` (UINT32_MAX: from all starts) without passing `left_out`. */
static void search(const struct world *world, uint32_t from, uint32_t left_out, uint8_t without, bool *reached)
{
    uint32_t stack[MOST], top = 0;
    memset(reached, 0, world->n);
    for (uint32_t i = 0; i < world->n; i++)
        if (i != left_out && !excluded(world, i, without) && (from == UINT32_MAX ? world->start[i] : i == from)) {
            reached[i] = true;
            stack[top++] = i;
        }
    while (top) {
        uint32_t at = stack[--top];
        for (uint32_t to = 0; to < world->n; to++)
            if (world->edge[at][to] && to != left_out && !reached[to] && !excluded(world, to, without)) {
                reached[to] = true;
                stack[top++] = to;
            }
    }
}

static struct leak_total sum(const struct world *world, const bool *in, const bool *out)
{
    struct leak_total total = {0, 0};
    for (uint32_t i = 0; i < world->n; i++)
        if (in[i] && !out[i] && !(world->graph.marks[i] & MARKS_HIDDEN)) {
            total.bytes += world->graph.size[i];
            total.blocks++;
        }
    return total;
}

static bool same(struct leak_total a, struct leak_total b) { return a.bytes == b.bytes && a.blocks == b.blocks; }

static void check_cycle(struct world *world, const struct flow_cycle *cycle, const bool *all, uint8_t without)
{
    uint32_t blocks = 0;
    uint64_t bytes = 0;
    struct leak_total retained = {0, 0};
    CHECK(!cycle->blocks || cycle->holder == NO_BLOCK ? world->start[cycle->entry] : world->edge[cycle->holder][cycle->entry], "holder");
    CHECK(cycle->holder == NO_BLOCK || !world->reached[cycle->entry][cycle->holder], "holder is outside");
    for (uint32_t i = 0; i < world->n; i++) {
        if (!all[i] || !world->reached[cycle->entry][i] || !world->reached[i][cycle->entry])
            continue;
        blocks++;
        bytes += world->graph.size[i];
    }
    CHECK(blocks == cycle->blocks && bytes == cycle->bytes, "%u, should be %u", cycle->blocks, blocks);
    /* A member alone may retain nothing that another one shares: what is dominated by one of them, each counted once. */
    bool counted[MOST] = {false};
    for (uint32_t i = 0; i < world->n; i++) {
        bool left[MOST];
        if (!all[i] || !world->reached[cycle->entry][i] || !world->reached[i][cycle->entry])
            continue;
        search(world, UINT32_MAX, i, without, left);
        for (uint32_t k = 0; k < world->n; k++)
            counted[k] |= all[k] && !left[k];
    }
    const bool none[MOST] = {false};
    retained = sum(world, counted, none);
    CHECK(same(cycle->retained, retained), "retains %llu in %llu, should be %llu in %llu", (unsigned long long)cycle->retained.bytes,
          (unsigned long long)cycle->retained.blocks, (unsigned long long)retained.bytes, (unsigned long long)retained.blocks);
}

static void compare(struct world *world, uint8_t without)
{
    struct flow flow;
    uint32_t starts[MOST];
    size_t n = 0, cyclic = 0, of_cycles = 0;
    bool all[MOST];
    for (uint32_t i = 0; i < world->n; i++)
        if (world->start[i])
            starts[n++] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = pick(world, i);
        uint32_t swap = starts[k];
        starts[k] = starts[i - 1];
        starts[i - 1] = swap;
    }
    CHECK(flow_make(&flow, &world->graph, starts, n, without), "memory");
    search(world, UINT32_MAX, UINT32_MAX, without, all);
    for (uint32_t i = 0; i < world->n; i++)
        search(world, i, UINT32_MAX, without, world->reached[i]);
    for (uint32_t i = 0; i < world->n; i++) {
        bool left[MOST];
        CHECK((flow.number[i] != 0) == all[i], "block %u", i);
        if (!all[i])
            continue;
        search(world, UINT32_MAX, i, without, left);
        struct leak_total got = flow_retained(&flow, i), wanted = sum(world, all, left);
        CHECK(same(got, wanted), "block %u retains %llu in %llu, should be %llu in %llu", i, (unsigned long long)got.bytes,
              (unsigned long long)got.blocks, (unsigned long long)wanted.bytes, (unsigned long long)wanted.blocks);
        for (uint32_t k = 0; k < world->n; k++)
            if (k != i && world->reached[i][k] && world->reached[k][i]) {
                cyclic++;
                break;
            }
        CHECK(!flow_cycle_at(&flow, i) || flow_cycle_at(&flow, i)->entry == i, "block %u", i);
    }
    for (size_t i = 0; i < flow.n_cycles; i++) {
        of_cycles += flow.cycles[i].blocks;
        check_cycle(world, &flow.cycles[i], all, without);
    }
    CHECK(cyclic == of_cycles, "%zu blocks in cycles, should be %zu", of_cycles, cyclic);
    flow_free(&flow);
}

int main(void)
{
    uint64_t seed = unit_seed("report_flow");
    unsigned rounds = getenv("ROUNDS") ? (unsigned)strtoul(getenv("ROUNDS"), NULL, 0) : 150;
    for (unsigned round = 0; round < rounds && !unit_failures; round++, seed++) {
        static struct world world;
        memset(&world, 0, sizeof world);
        world.seed = seed;
        world.n = 1 + (uint32_t)pick(&world, pick(&world, 4) ? 30 : MOST);
        shape(&world);
        make_graph(&world);
        compare(&world, 0);
        compare(&world, MARKS_HELD);
        if (unit_failures)
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        free_graph(&world);
    }
    return unit_result("report_flow");
}
