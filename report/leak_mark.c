/* What the roots hold: the first blocks of the search.
 *
 * The roots (leak_roots.c found them) are read piece by piece and their words looked up. Memory comes first and alone: what a
 * stack holds is marked later, by the search itself, so that it can tell what nothing but a stack holds. */
#include <stdlib.h>

#include "leak_graph.h"
#include "memory.h"

static void keep_interior(struct graph *graph, uint64_t word)
{
    if (graph->n_root_interior && graph->root_interior[graph->n_root_interior - 1] == word)
        return;
    if (graph->n_root_interior == graph->room_root_interior) {
        graph->room_root_interior = graph->room_root_interior ? 2 * graph->room_root_interior : 1024;
        graph->root_interior = memory_resize(graph->root_interior, graph->room_root_interior, sizeof *graph->root_interior);
    }
    graph->root_interior[graph->n_root_interior++] = word;
}

bool graph_holds(struct graph *graph, uint64_t word, uint32_t *held)
{
    uint64_t offset;
    uint32_t block = graph_find(graph, word, &offset);
    *held = block;
    if (block == NO_BLOCK || (graph->marks[block] & MARK_REACHED))
        return false;
    if (offset == 0 || (graph->marks[block] & MARK_LOADER_TLS))
        return true;
    keep_interior(graph, word);
    return false;
}

static void mark_word(void *ctx, const struct root *root, uint64_t at, uint64_t word)
{
    struct graph *graph = ctx;
    uint32_t block;
    (void)root;
    (void)at;
    if (graph_holds(graph, word, &block))
        graph->marks[block] |= MARK_REACHED;
}

/* ---- visiting ---- */

struct visit {
    const struct root *root;
    root_word *word;
    void *ctx;
};

static void visit_word(void *ctx, uint64_t at, uint64_t word)
{
    const struct visit *visit = ctx;
    visit->word(visit->ctx, visit->root, at, word);
}

static void visit_root(struct graph *graph, struct visit *visit)
{
    const struct root *root = visit->root;
    if (root->kind == ROOT_REGISTERS && root->start) {
        const struct image_thread *thread = &graph->records->image->threads[root->start - 1];
        for (size_t i = 0; i < thread->n_words; i++)
            if (thread->words[i] - graph->low < graph->span)
                visit_word(visit, i, thread->words[i]);
    } else if (root->kind == ROOT_REGISTERS) {
        const struct record_thread *thread = &graph->records->threads[root->thread];
        for (uint32_t i = 0; i < thread->n_registers; i++)
            if (thread->registers[i] - graph->low < graph->span)
                visit_word(visit, i, thread->registers[i]);
    } else if (root->kind == ROOT_STACK_BLOCK) {
        uint64_t offset;
        if (graph_find(graph, root->start, &offset) != NO_BLOCK)
            visit_word(visit, 0, root->start - offset);
    } else {
        uint64_t unreadable = scan_range(graph, root->start, root->end - root->start, visit_word, visit);
        /* Ranges that the program registered may lie anywhere; what it says is not what the heap's memory must be. */
        if (root->kind != ROOT_REGISTERED && root->kind != ROOT_CONTEXT)
            graph->result->unreadable_bytes += unreadable;
    }
}

void graph_visit_roots(struct graph *graph, enum root_kind first, enum root_kind last, root_word *word, void *ctx)
{
    struct visit visit = {.word = word, .ctx = ctx};
    for (size_t i = 0; i < graph->n_roots; i++) {
        visit.root = &graph->roots[i];
        if (visit.root->kind >= first && visit.root->kind <= last)
            visit_root(graph, &visit);
    }
}

void graph_mark_memory(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_roots; i++)
        graph->result->root_bytes += graph->roots[i].end > graph->roots[i].start ? graph->roots[i].end - graph->roots[i].start : 0;
    graph_visit_roots(graph, ROOT_MEMORY, ROOT_FIRST_STACK - 1, mark_word, graph);
}
