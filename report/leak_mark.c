/* What the roots hold: the first blocks of the search.
 *
 * The roots (leak_roots.c found them) are read piece by piece, by several threads where there is much, and their words looked up. Memory comes first and alone: what a
 * stack holds is marked later, by the search itself, so that it can tell what nothing but a stack holds. */
#include <pthread.h>
#include <stdatomic.h>
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
            __atomic_fetch_add(&graph->result->unreadable_bytes, unreadable, __ATOMIC_RELAXED);
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

/* ---- memory, by several threads ---- */

#define PIECE_BYTES ((uint64_t)4 << 20)
#define MOST_PIECES 4096u      /* beyond that they are made larger: mappings of terabytes, hardly touched, are cheap to have and to claim */

struct crew {
    struct graph *graph;
    struct root *pieces;        /* of the roots that are no stack */
    size_t n;
    atomic_size_t next;
    pthread_mutex_t interior;   /* graph->root_interior */
};

/* Marks are only added while this goes on, and only this one: who sees it too late marks it again. */
static void mark_word(void *ctx, const struct root *root, uint64_t at, uint64_t word)
{
    struct crew *crew = ctx;
    struct graph *graph = crew->graph;
    uint64_t offset;
    uint32_t block = graph_find(graph, word, &offset);
    (void)root;
    (void)at;
    if (block == NO_BLOCK || (__atomic_load_n(&graph->marks[block], __ATOMIC_RELAXED) & MARK_REACHED))
        return;
    if (offset == 0 || (__atomic_load_n(&graph->marks[block], __ATOMIC_RELAXED) & MARK_LOADER_TLS)) {
        __atomic_fetch_or(&graph->marks[block], MARK_REACHED, __ATOMIC_RELAXED);
        return;
    }
    pthread_mutex_lock(&crew->interior);
    keep_interior(graph, word);
    pthread_mutex_unlock(&crew->interior);
}

static void *mark_pieces(void *ctx)
{
    struct crew *crew = ctx;
    for (size_t i; (i = atomic_fetch_add(&crew->next, 1)) < crew->n;) {
        struct visit visit = {&crew->pieces[i], mark_word, crew};
        visit_root(crew->graph, &visit);
    }
    return NULL;
}

static void cut_roots(struct crew *crew, uint64_t bytes)
{
    const struct graph *graph = crew->graph;
    size_t room = 0;
    uint64_t most = PIECE_BYTES;
    while (bytes / most > MOST_PIECES)
        most *= 2;
    for (size_t i = 0; i < graph->n_roots && graph->roots[i].kind < ROOT_FIRST_STACK; i++) {
        for (uint64_t start = graph->roots[i].start, end = graph->roots[i].end; start < end;) {
            uint64_t stop = end - start > most ? (start + most) & ~UINT64_C(7) : end;  /* no word in two pieces */
            if (crew->n == room)
                crew->pieces = memory_resize(crew->pieces, room = room ? 2 * room : 256, sizeof *crew->pieces);
            crew->pieces[crew->n] = graph->roots[i];
            crew->pieces[crew->n].start = start;
            crew->pieces[crew->n++].end = stop;
            start = stop;
        }
    }
}

void graph_mark_memory(struct graph *graph)
{
    struct crew crew = {.graph = graph, .interior = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[SCAN_CREW_MOST];
    uint64_t bytes = 0;
    for (size_t i = 0; i < graph->n_roots; i++) {
        uint64_t more = graph->roots[i].end > graph->roots[i].start ? graph->roots[i].end - graph->roots[i].start : 0;
        if (__builtin_add_overflow(bytes, more, &bytes))
            bytes = UINT64_MAX;
    }
    graph->result->root_bytes += bytes;
    cut_roots(&crew, bytes);
    unsigned n = scan_crew(graph, (size_t)(bytes / PIECE_BYTES)), started = 0;
    while (started + 1 < n && pthread_create(&threads[started], NULL, mark_pieces, &crew) == 0)
        started++;
    mark_pieces(&crew);
    while (started)
        pthread_join(threads[--started], NULL);
    free(crew.pieces);
}
