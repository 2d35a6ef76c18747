/* Where the pointers between blocks are kept: chunks that are written from their start to their end and freed all at once.
 *
 * A thread writes the edges of one piece of the heap after the other straight to where they stay. When a chunk is full, what was written of the
 * current piece moves to the next one. Chunks are twice as large each time, from 64 KiB to 4 MiB. (Huge pages for them and for the other large
 * arrays were tried: where a machine is a guest, fresh ones cost more than they saved.) */
#include "leak_edges.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define LEAST_EDGES ((size_t)16 << 10)
#define MOST_EDGES ((size_t)1 << 20)

struct edge_chunk {
    struct edge_chunk *next;
    uint64_t pad;
    uint32_t edges[];
};

uint32_t *edges_new(struct edge_store *store, size_t n)
{
    if (n > (SIZE_MAX - sizeof(struct edge_chunk)) / sizeof(uint32_t))
        return NULL;
    struct edge_chunk *chunk = memory_raw(sizeof *chunk + n * sizeof *chunk->edges);
    if (!chunk)
        return NULL;
    chunk->next = __atomic_load_n(&store->chunks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&store->chunks, &chunk->next, chunk, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    return chunk->edges;
}

bool edges_grow(struct edge_writer *writer)
{
    size_t room = writer->chunk_edges ? 2 * writer->chunk_edges : LEAST_EDGES;
    room = room > MOST_EDGES ? MOST_EDGES : room;
    room = 2 * writer->n > room ? 2 * writer->n : room;
    uint32_t *edges = room > UINT32_MAX ? NULL : edges_new(writer->store, room);
    if (!edges)
        return false;
    if (writer->n)
        memcpy(edges, writer->edges, writer->n * sizeof *edges);
    writer->edges = edges;
    writer->room = writer->chunk_edges = room;
    return true;
}

void edges_free(struct edge_store *store)
{
    while (store->chunks) {
        struct edge_chunk *chunk = store->chunks;
        store->chunks = chunk->next;
        free(chunk);
    }
}
