/* The pieces that the blocks' memory is looked through in, so that several threads share it evenly, be it a million small blocks or one
 * of a gigabyte.
 *
 *   1. A unit (UNIT_BLOCKS consecutive blocks, whose edges lie together) of little memory is one piece: its edges go into the graph as
 *      they were found.
 *   2. Where a unit spans more than PIECE_BYTES, the sizes of its blocks are summed up, and it is cut wherever so much has come together,
 *      within a block if need be (on a page of the program).
 *   3. Each such piece keeps its edges apart; edge_end[] of the blocks that end in it counts from the piece's first edge. When the last one
 *      of the unit is done, whoever did it puts them one behind the other and raises edge_end[] accordingly.
 *
 * There are at most one piece a unit and MOST_PIECES more: where the blocks claim terabytes, pieces are larger. */
#include "leak_pieces.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define PIECE_BYTES ((uint64_t)8 << 20)
#define MOST_PIECES 65536u
#define PAGE_BYTES 4096u

static uint32_t unit_end(const struct graph *graph, size_t unit)
{
    uint32_t first = (uint32_t)(unit * UNIT_BLOCKS);
    return graph->n - first < UNIT_BLOCKS ? graph->n : first + UNIT_BLOCKS;
}

/* From the first byte of a unit to its last: no less than its blocks have. */
static uint64_t unit_span(const struct graph *graph, size_t unit)
{
    uint32_t last = unit_end(graph, unit) - 1;
    return graph_address(graph, last) + graph_size(graph, last) - graph_address(graph, (uint32_t)(unit * UNIT_BLOCKS));
}

static bool add_piece(struct pieces *pieces, const struct piece *piece)
{
    if (pieces->n == pieces->room) {
        size_t room = pieces->room ? 2 * pieces->room : pieces->graph->units + 64;
        struct piece *grown = reallocarray(pieces->all, room, sizeof *grown);
        if (!grown)
            return false;
        pieces->all = grown;
        pieces->room = room;
    }
    pieces->all[pieces->n++] = *piece;
    return true;
}

/* Cuts a unit whose memory may be more than `most` bytes. */
static bool cut_unit(struct pieces *pieces, uint32_t block, uint32_t end, uint64_t most)
{
    const struct graph *graph = pieces->graph;
    struct piece piece = {.first = block};
    struct walk walk;
    uint64_t bytes = 0;         /* of the piece */
    uint64_t page = most < PAGE_BYTES ? most : PAGE_BYTES;
    walk_start(&walk, graph, block);
    for (; block < end && walk_next(&walk); block++) {
        uint64_t size = graph_size(graph, block), done = piece.first == block ? piece.from : 0;
        while (size - done > most - bytes && pieces->n < graph->units + MOST_PIECES) {
            uint64_t cut = ((walk.address + done + (most - bytes)) & ~(page - 1)) - walk.address;
            if (cut <= done || cut >= size)
                break;          /* so little is not cut */
            piece.last = block;
            piece.to = done = cut;
            piece.ends = false;
            if (!add_piece(pieces, &piece))
                return false;
            piece.first = block;
            piece.from = cut;
            bytes = 0;
        }
        bytes += size - done;
        piece.last = block;
        piece.to = size;
        piece.ends = true;
        if (bytes < most && block + 1 < end)
            continue;
        if (!add_piece(pieces, &piece))
            return false;
        piece.first = block + 1;
        piece.from = bytes = 0;
    }
    return true;
}

bool pieces_cut(struct pieces *pieces, struct graph *graph)
{
    *pieces = (struct pieces){.graph = graph, .units = memory_try(graph->units, sizeof *pieces->units)};
    if (!pieces->units)
        return false;
    uint64_t most = graph->options->piece_bytes ? graph->options->piece_bytes : PIECE_BYTES;
    while (graph->span / most > MOST_PIECES)
        most *= 2;
    for (size_t i = 0; i < graph->units; i++) {
        struct unit *unit = &pieces->units[i];
        uint32_t first = (uint32_t)(i * UNIT_BLOCKS), end = unit_end(graph, i);
        unit->first = pieces->n;
        bool done = unit_span(graph, i) > most
                  ? cut_unit(pieces, first, end, most)
                  : add_piece(pieces, &(struct piece){.first = first, .last = end - 1, .to = graph_size(graph, end - 1), .ends = true});
        if (!done)
            return false;
        unit->n = pieces->n - unit->first;
        atomic_init(&unit->left, unit->n);
    }
    return true;
}

/* Puts the edges of a unit's pieces one behind the other. */
static bool join(struct pieces *pieces, size_t index)
{
    struct graph *graph = pieces->graph;
    struct unit *unit = &pieces->units[index];
    uint64_t n = 0;
    for (size_t i = 0; i < unit->n; i++)
        n += pieces->all[unit->first + i].n;
    if (n == 0)
        return true;
    uint32_t *edges = n > UINT32_MAX ? NULL : edges_new(&graph->edge_store, (size_t)n), before = 0;
    if (!edges)
        return false;
    for (size_t i = 0; i < unit->n; i++) {
        struct piece *piece = &pieces->all[unit->first + i];
        for (uint32_t block = piece->first; before && block < piece->last + (piece->ends ? 1 : 0); block++)
            graph->edge_end[block] += before;
        if (piece->n)
            memcpy(edges + before, piece->edges, piece->n * sizeof *edges);
        before += piece->n;
        free(piece->edges);
        piece->edges = NULL;
    }
    graph->edges[index] = edges;
    return true;
}

bool pieces_done(struct pieces *pieces, struct piece *piece, struct edge_writer *writer)
{
    size_t index = piece->first / UNIT_BLOCKS;
    struct unit *unit = &pieces->units[index];
    if (unit->n == 1) {
        pieces->graph->edges[index] = edges_keep(writer);
        return true;
    }
    if (writer->n) {
        piece->n = (uint32_t)writer->n;
        piece->edges = memory_raw(writer->n * sizeof *piece->edges);
        if (!piece->edges)
            return false;
        memcpy(piece->edges, writer->edges, writer->n * sizeof *piece->edges);
        writer->n = 0;
    }
    return atomic_fetch_sub(&unit->left, 1) > 1 || join(pieces, index);
}

void pieces_free(struct pieces *pieces)
{
    for (size_t i = 0; i < pieces->n; i++)
        free(pieces->all[i].edges);
    free(pieces->all);
    free(pieces->units);
}
