/* Numbering blocks: what leak_index.c and leak_region.c share. */
#ifndef MIDDEN_REPORT_LEAK_INDEX_H
#define MIDDEN_REPORT_LEAK_INDEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image_stream.h"
#include "leak_graph.h"

/* What is known of stacks, for all threads. */
struct stacks {
    uint8_t *tls_known;         /* per stack: 0 not asked, 1 no, 2 the loader's TLS; atomic */
    size_t n;
    pthread_mutex_t asking;     /* one question at a time */
};

struct indexer {
    struct graph *graph;
    struct stacks *stacks;
    struct image_stream *stream;
    uint64_t damaged, busy;
    bool no_memory;
};

/* Appends the blocks of one region to the graph. */
void region_index(struct indexer *indexer, size_t index);

/* The same for one with objects of pools in it: its blocks but their superblocks, and the objects [first, first + objects). */
void region_index_mixed(struct indexer *indexer, size_t index, size_t first, size_t objects);

/* Objects that begin before `before` and lie in no region, from *next on. */
void region_index_outside(struct indexer *indexer, size_t *next, uint64_t before);

#endif
