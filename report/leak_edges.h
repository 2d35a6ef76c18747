/* Where the pointers between blocks are kept: leak_edges.c. */
#ifndef MIDDEN_REPORT_LEAK_EDGES_H
#define MIDDEN_REPORT_LEAK_EDGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edge_chunk;

/* All chunks of a graph. */
struct edge_store {
    struct edge_chunk *chunks;  /* atomic: pushed by several threads */
};

/* One thread's place to write at. */
struct edge_writer {
    struct edge_store *store;
    uint32_t *edges;            /* the first of those that are being written */
    size_t n, room;             /* of them */
    size_t chunk_edges;         /* of the last chunk */
};

/* Makes room for one more edge; those being written stay together, and may move. false: no memory. */
bool edges_grow(struct edge_writer *writer);

/* Those being written are whole and stay where they are: the first of them. */
static inline uint32_t *edges_keep(struct edge_writer *writer)
{
    uint32_t *edges = writer->edges;
    if (writer->n)      /* before the first edge there is no memory to point to */
        writer->edges += writer->n;
    writer->room -= writer->n;
    writer->n = 0;
    return edges;
}

/* Room for n edges by themselves. NULL: no memory. */
uint32_t *edges_new(struct edge_store *store, size_t n);

void edges_free(struct edge_store *store);

#endif
