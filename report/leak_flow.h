/* Which blocks hold which: cycles of blocks that lead to each other, and what each block alone keeps.
 *
 * A block d dominates b when every way to b goes through d: freeing d would leave nothing that leads to b. What a block retains is
 * itself and all that it dominates. A cycle is a strongly connected component of two blocks or more. */
#ifndef MIDDEN_REPORT_LEAK_FLOW_H
#define MIDDEN_REPORT_LEAK_FLOW_H

#include "leak_graph.h"

struct flow_cycle {
    uint32_t entry;             /* the member that is reached first */
    uint32_t holder;            /* the block that leads to it from outside; NO_BLOCK: none, it is a start itself */
    uint32_t blocks;            /* members */
    uint64_t bytes;             /* of them */
    struct leak_total retained; /* by the members together: themselves and what only they lead to */
};

/* Blocks are nodes 1 … n in the order in which a depth first search met them; node 0 leads to all starts.
 *
 *    block ─▶ number[] ─▶ node ─▶ block[], before[] (idom), retained_bytes[], retained_blocks[] */
struct flow {
    uint32_t n;                 /* nodes, 0 left out */
    uint32_t *number;           /* [graph->n]: of the node; 0: the block was not met */
    uint32_t *block;            /* [n + 1] */
    uint32_t *dominator;        /* [n + 1]: the nearest one, lower than the node itself; 0: none */
    uint64_t *retained_bytes;   /* [n + 1] */
    uint32_t *retained_blocks;  /* [n + 1] */
    struct flow_cycle *cycles;  /* by entry, rising */
    size_t n_cycles;
};

/* Follows every pointer from the starts, through blocks that have none of the marks `without`. Of blocks that are never listed neither
 * bytes nor number are counted. false: no memory, and the flow is empty. */
bool flow_make(struct flow *flow, const struct graph *graph, const uint32_t *starts, size_t n_starts, uint8_t without);
void flow_free(struct flow *flow);

/* What a block retains; nothing if it was not met. */
struct leak_total flow_retained(const struct flow *flow, uint32_t block);

/* The cycle whose entry is `block`; NULL: it is none's. */
const struct flow_cycle *flow_cycle_at(const struct flow *flow, uint32_t block);

#endif
