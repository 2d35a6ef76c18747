/* The way of pointers that keeps a block: breadth first from the roots.
 *
 *   1. Every block that a root holds is a start; the tool's own blocks and those kept by the program's wish are starts, too.
 *   2. Breadth first along the edges of the graph, each block remembering from which it was first reached, until the target is
 *      met. A reachable block is looked for along start-pointers; only if they do not lead there (a heuristic excused an
 *      interior-pointer on the way), blocks with interior edges are read again and the heuristics asked. To a possibly lost block
 *      every edge leads, to an indirectly lost one every edge from its leader.
 *   3. Back from the target to the root; each block on the way is read again for the word that leads to the next.
 *
 * Cost: linear in blocks and pointers; 8 bytes a block while it runs. */
#include "leak_path.h"

#include <stdlib.h>
#include <string.h>

#include "leak_paths.h"
#include "memory.h"

#define MOST_STEPS 1000000u     /* of a path that is given back; a list may be longer than anybody reads */

/* ---- opening ---- */

struct paths *paths_open(struct records *records, const struct leaks_options *options, struct error *error)
{
    struct paths *paths = memory_new(1, sizeof *paths);
    paths->options = *options;
    paths->graph.records = records;
    paths->graph.options = &paths->options;
    paths->graph.result = memory_new(1, sizeof *paths->graph.result);
    if (graph_check(&paths->graph, error)) {
        paths->options = (struct leaks_options){.threads = options->threads};   /* their ctx need not live on */
        return paths;
    }
    paths_close(paths);
    return NULL;
}

void paths_close(struct paths *paths)
{
    if (!paths)
        return;
    flow_free(&paths->flow);
    graph_free(&paths->graph);
    leaks_free(paths->graph.result);
    free(paths);
}

const struct leaks *paths_leaks(const struct paths *paths)
{
    return paths->graph.result;
}

/* ---- blocks ---- */

void paths_describe(struct paths *paths, uint32_t block, struct path_block *described)
{
    struct graph *graph = &paths->graph;
    uint8_t marks = graph->marks[block];
    struct records_found found;
    *described = (struct path_block){
        .address = graph_address(graph, block), .size = graph_size(graph, block), .kind = graph_told_kind(graph, block),
        .stack_only = (marks & MARK_REACHED) && (marks & MARK_STACK_ONLY), .hidden = marks & MARKS_HIDDEN,
        .ignored = marks & MARK_IGNORED, .inherited = marks & MARK_INHERITED,
    };
    if (graph_kind(graph, block) == LEAK_INDIRECT)
        described->leader = graph_address(graph, graph_leader(graph, block));
    const struct record_object *object = graph_object(graph, described->address);
    if (object)
        described->record = object->block;
    else if (records_block_at(graph->records, described->address, &found) && found.address == described->address)
        described->record = found.block;
}

static uint32_t block_at(const struct paths *paths, uint64_t address, uint64_t *offset)
{
    return paths->graph.n ? graph_find(&paths->graph, address, offset) : NO_BLOCK;
}

bool paths_block(struct paths *paths, uint64_t address, struct path_block *block)
{
    uint64_t offset;
    uint32_t found = block_at(paths, address, &offset);
    if (found == NO_BLOCK)
        return false;
    paths_describe(paths, found, block);
    return true;
}

bool paths_kind(const struct paths *paths, uint64_t address, enum leak_kind *kind)
{
    uint64_t offset;
    uint32_t block = block_at(paths, address, &offset);
    if (block == NO_BLOCK || offset || (paths->graph.marks[block] & MARKS_HIDDEN))
        return false;
    *kind = graph_told_kind(&paths->graph, block);
    return true;
}

/* ---- the search ---- */

struct quest {
    struct paths *paths;
    uint32_t target;
    enum pointer_strength strength;
    bool lost;                  /* from the leader, not from roots */
    uint32_t *before;           /* per block: the one it was reached from, itself for a start, NO_BLOCK: not reached */
    uint32_t *queue;
    uint32_t head, tail;
    uint32_t source;            /* whose memory is asked for excused pointers */
};

static void arrive(struct quest *quest, uint32_t block, uint32_t from)
{
    if (quest->before[block] != NO_BLOCK)
        return;
    quest->before[block] = from;
    quest->queue[quest->tail++] = block;
}

static void start_at(void *ctx, const struct root *root, uint64_t at, uint64_t word)
{
    struct quest *quest = ctx;
    struct graph *graph = &quest->paths->graph;
    uint64_t offset;
    uint32_t block = graph_find(graph, word, &offset);
    (void)root;
    (void)at;
    if (block != NO_BLOCK && quest->before[block] == NO_BLOCK && paths_counts(graph, word, block, offset, quest->strength))
        arrive(quest, block, block);
}

static void follow_excused(void *ctx, uint64_t at, uint64_t word)
{
    struct quest *quest = ctx;
    struct graph *graph = &quest->paths->graph;
    uint64_t offset;
    uint32_t block = graph_find(graph, word, &offset);
    (void)at;
    if (block != NO_BLOCK && quest->before[block] == NO_BLOCK && paths_counts(graph, word, block, offset, POINTER_EXCUSED))
        arrive(quest, block, quest->source);
}

static void follow_edges(struct quest *quest, uint32_t block)
{
    struct graph *graph = &quest->paths->graph;
    const uint32_t *edges;
    uint32_t n = graph_edges(graph, block, &edges);
    bool read = false;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t target = edges[k] & ~EDGE_INTERIOR;
        if (quest->before[target] != NO_BLOCK)
            continue;
        if (!(edges[k] & EDGE_INTERIOR) || quest->strength == POINTER_ANY)
            arrive(quest, target, block);
        else
            read = true;
    }
    if (read && quest->strength == POINTER_EXCUSED) {
        quest->source = block;
        scan_range(graph, graph_address(graph, block), graph_size(graph, block), follow_excused, quest);
    }
}

/* true: the target was reached. */
static bool search(struct quest *quest)
{
    struct graph *graph = &quest->paths->graph;
    memset(quest->before, 0xff, graph->n * sizeof *quest->before);
    quest->head = quest->tail = 0;
    if (quest->lost) {
        uint32_t leader = graph_leader(graph, quest->target);
        arrive(quest, leader, leader);
    } else {
        graph_visit_roots(graph, ROOT_MEMORY, ROOT_REGISTERS, start_at, quest);
        for (uint32_t block = 0; block < graph->n; block++)
            if (graph->marks[block] & (MARK_OWN | MARK_IGNORED))
                arrive(quest, block, block);
    }
    while (quest->head < quest->tail && quest->before[quest->target] == NO_BLOCK)
        follow_edges(quest, quest->queue[quest->head++]);
    return quest->before[quest->target] != NO_BLOCK;
}

/* ---- the way back ---- */

static bool make_step(struct quest *quest, uint32_t from, uint32_t to, struct path_step *step)
{
    uint64_t offset = 0;
    paths_describe(quest->paths, to, &step->to);
    if (!paths_first_word(quest->paths, from, to, quest->strength, &step->from)) {
        if (from != NO_BLOCK)
            return false;
        step->from = (struct holder){.kind = HOLDER_NOTHING, .word = step->to.address};
    }
    graph_find(&quest->paths->graph, step->from.word, &offset);
    step->offset = offset;
    step->excused = offset && quest->strength == POINTER_EXCUSED;
    return true;
}

static void walk_back(struct quest *quest, struct path *path)
{
    size_t n = 1;
    for (uint32_t block = quest->target; quest->before[block] != block; block = quest->before[block])
        n++;
    n -= quest->lost;           /* a leader is held by nothing */
    path->steps = n <= MOST_STEPS ? memory_try(n, sizeof *path->steps) : NULL;
    if (!path->steps)
        return;
    uint32_t block = quest->target;
    for (size_t i = n; i > 0; i--) {
        uint32_t from = quest->before[block];
        if (!make_step(quest, from == block ? NO_BLOCK : from, block, &path->steps[i - 1])) {
            path_free(path);    /* the image is changing under us */
            return;
        }
        block = from;
    }
    path->n = n;
}

bool paths_to(struct paths *paths, uint64_t address, struct path *path)
{
    struct graph *graph = &paths->graph;
    uint64_t offset;
    struct quest quest = {.paths = paths, .target = block_at(paths, address, &offset)};
    *path = (struct path){0};
    if (quest.target == NO_BLOCK)
        return false;
    enum leak_kind kind = graph_kind(graph, quest.target);
    if (kind == LEAK_DEFINITE)
        return false;
    quest.lost = kind == LEAK_INDIRECT;
    quest.strength = kind == LEAK_REACHABLE ? POINTER_START : POINTER_ANY;
    quest.before = memory_try(graph->n, sizeof *quest.before);
    quest.queue = memory_try(graph->n, sizeof *quest.queue);
    if (quest.before && quest.queue) {
        bool found = search(&quest);
        if (!found && kind == LEAK_REACHABLE) {
            quest.strength = POINTER_EXCUSED;
            found = search(&quest);
        }
        if (found)
            walk_back(&quest, path);
    }
    free(quest.before);
    free(quest.queue);
    return path->n != 0;
}

void path_free(struct path *path)
{
    free(path->steps);
    *path = (struct path){0};
}
