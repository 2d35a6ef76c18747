/* The pieces that the blocks' memory is looked through in: leak_pieces.c. */
#ifndef MIDDEN_REPORT_LEAK_PIECES_H
#define MIDDEN_REPORT_LEAK_PIECES_H

#include <stdatomic.h>

#include "leak_graph.h"

struct piece {
    uint32_t first, last;       /* blocks of one unit, both included */
    uint64_t from, to;          /* the bytes of the first one from `from` on, of the last one up to `to` (if they are one: both hold) */
    bool ends;                  /* `to` is the end of the last block */
    uint32_t n;                 /* edges found; of a unit that is one piece they go to the graph at once */
    uint32_t *edges;
};

struct unit {
    size_t first, n;            /* its pieces */
    atomic_size_t left;         /* that were not looked through yet */
};

struct pieces {
    struct graph *graph;
    struct piece *all;          /* in the order of the blocks */
    size_t n, room;
    struct unit *units;         /* [graph->units] */
};

/* Cuts all of the graph's blocks. false: no memory. */
bool pieces_cut(struct pieces *pieces, struct graph *graph);

/* The edges of a piece, whose edge_end[] counts from its own first one, were found. Who brings the last piece of a unit joins them. Called
 * by several threads. Nothing is being written then. false: no memory. */
bool pieces_done(struct pieces *pieces, struct piece *piece, struct edge_writer *writer);

void pieces_free(struct pieces *pieces);

#endif
