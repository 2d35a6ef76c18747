/* From roots and edges to the four kinds.
 *
 *   1. Reachable: depth first (nearly: some blocks are on their way) along start-pointer edges from every block that a root holds. A block with interior edges to
 *      blocks not (yet) reached is put on a list. When the search ends, the blocks on the list are looked at again: only there,
 *      where it matters, is memory read a second time to ask the heuristics. What they grant is searched from in turn.
 *   2. Possible: depth first along every edge, from the interior edges that are left over and from interior-pointers in roots.
 *   3. Lost: in address order, each lost block that is not yet indirect becomes a leader, and every lost block that it leads to
 *      becomes indirect with it, other leaders included. (Of a cycle, the block with the lowest address is the leader.)
 *
 * The order of 1 and 2 does not change the result; the order of 3 is memcheck's. Stacks and registers come after all other roots: what
 * they add to the reachable blocks nothing else holds. leader[] serves as the mark stack of 1 and 2: a
 * block enters it at most once in each. */
#include <stdlib.h>

#include "leak_graph.h"
#include "memory.h"

struct search {
    struct graph *graph;
    uint32_t *stack;            /* blocks whose edges are to be followed */
    uint32_t top;
    uint32_t *examine;          /* reached blocks with interior edges */
    size_t n_examine, room_examine, examined;   /* the first `examined` of them have been looked at again */
    uint8_t mark;               /* for what is reached now */
    uint64_t bytes, blocks;     /* reached, but for what is never listed */
};

static void reach(struct search *search, uint32_t block)
{
    struct graph *graph = search->graph;
    if (search->mark != MARK_REACHED && !(graph->marks[block] & MARKS_HIDDEN)) {
        search->bytes += graph_size(graph, block);
        search->blocks++;
    }
    graph->marks[block] |= search->mark;
    search->stack[search->top++] = block;
}

static void note_examine(struct search *search, uint32_t block)
{
    if (search->graph->marks[block] & MARK_EXAMINE)
        return;
    search->graph->marks[block] |= MARK_EXAMINE;
    if (search->n_examine == search->room_examine)
        search->examine = memory_resize(search->examine, search->room_examine = search->room_examine ? 2 * search->room_examine : 1024,
                                        sizeof *search->examine);
    search->examine[search->n_examine++] = block;
}

/* Blocks on their way from the stack to being followed. Nearly all the time of the search would go into waiting for memory: where a block's
 * edges end, the edges, the marks of their targets. So all three are asked for some blocks before the one that is followed. */
#define AHEAD 32u           /* where its edges end: when a block leaves the stack */
#define AHEAD_EDGES 20u     /* the edges: so many blocks before its turn */
#define AHEAD_MARKS 8u      /* the marks of the first few targets */
#define FEW_TARGETS 4u

struct ahead {
    uint32_t blocks[AHEAD];     /* a ring */
    uint32_t first, n;
};

/* The block that is followed after `before` others; NO_BLOCK: none yet. */
static inline uint32_t ahead_at(const struct ahead *ahead, uint32_t before)
{
    return before < ahead->n ? ahead->blocks[(ahead->first + before) % AHEAD] : NO_BLOCK;
}

static inline void ahead_fill(struct search *search, struct ahead *ahead)
{
    while (ahead->n < AHEAD && search->top) {
        uint32_t block = search->stack[--search->top];
        __builtin_prefetch(&search->graph->edge_end[block]);
        ahead->blocks[(ahead->first + ahead->n++) % AHEAD] = block;
    }
}

static inline void ahead_prefetch(const struct search *search, const struct ahead *ahead)
{
    const struct graph *graph = search->graph;
    const uint32_t *edges;
    uint32_t block = ahead_at(ahead, AHEAD_EDGES);
    if (block != NO_BLOCK) {
        graph_edges(graph, block, &edges);
        __builtin_prefetch(edges);
    }
    block = ahead_at(ahead, AHEAD_MARKS);
    if (block == NO_BLOCK)
        return;
    uint32_t n = graph_edges(graph, block, &edges);
    for (uint32_t i = 0; i < n && i < FEW_TARGETS; i++)
        __builtin_prefetch(&graph->marks[edges[i] & ~EDGE_INTERIOR], 1);
}

/* Follows start-pointers until the stack is empty. */
static void follow_strong(struct search *search)
{
    struct graph *graph = search->graph;
    struct ahead ahead = {.n = 0};
    for (ahead_fill(search, &ahead); ahead.n; ahead_fill(search, &ahead)) {
        ahead_prefetch(search, &ahead);
        uint32_t block = ahead.blocks[ahead.first];
        ahead.first = (ahead.first + 1) % AHEAD;
        ahead.n--;
        const uint32_t *edges;
        uint32_t n = graph_edges(graph, block, &edges);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t target = edges[i] & ~EDGE_INTERIOR;
            if (graph->marks[target] & MARK_REACHED)
                continue;
            if (edges[i] & EDGE_INTERIOR)
                note_examine(search, block);
            else
                reach(search, target);
        }
    }
}

/* ---- interior-pointers ---- */

static void ask_heuristics(void *ctx, uint64_t at, uint64_t word)
{
    struct search *search = ctx;
    struct graph *graph = search->graph;
    uint64_t offset;
    uint32_t block = graph_find(graph, word, &offset);
    (void)at;
    if (block != NO_BLOCK && offset && !(graph->marks[block] & MARK_REACHED) && heuristic_holds(graph, word, block, offset))
        reach(search, block);
}

/* true: the block has an interior edge to one that is not reached. */
static bool still_matters(const struct graph *graph, uint32_t block)
{
    const uint32_t *edges;
    uint32_t n = graph_edges(graph, block, &edges);
    for (uint32_t i = 0; i < n; i++)
        if ((edges[i] & EDGE_INTERIOR) && !(graph->marks[edges[i] & ~EDGE_INTERIOR] & MARK_REACHED))
            return true;
    return false;
}

/* Blocks that wait to be looked at again, when there are many: in the order of their addresses, so that memory is read in large pieces. */
#define MANY_BLOCKS 64u
#define CLOSE_BLOCKS 8u         /* so many within CLOSE_BYTES are worth one read */
#define CLOSE_BYTES ((uint64_t)32 << 10)

static int by_number(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Looks at all the waiting blocks; what they add waits on the stack. */
static void examine_many(struct search *search)
{
    struct graph *graph = search->graph;
    size_t end = search->n_examine;
    struct scan_near near = {.n = 0};
    qsort(search->examine + search->examined, end - search->examined, sizeof *search->examine, by_number);
    for (; search->examined < end; search->examined++) {
        uint32_t block = search->examine[search->examined];
        if (!still_matters(graph, block))
            continue;
        uint64_t address = graph_address(graph, block);
        bool close = end - search->examined > CLOSE_BLOCKS && graph_address(graph, search->examine[search->examined + CLOSE_BLOCKS]) - address < CLOSE_BYTES;
        scan_next(graph, &near, address, graph_size(graph, block), close ? CLOSE_BYTES : 0, ask_heuristics, search);
    }
    free(near.words);
}

/* Follows what is on the stack, by start-pointers and what heuristics take for them, to the end. */
static void follow(struct search *search)
{
    struct graph *graph = search->graph;
    follow_strong(search);
    while (search->examined < search->n_examine) {
        if (search->n_examine - search->examined >= MANY_BLOCKS) {
            examine_many(search);
        } else {
            uint32_t block = search->examine[search->examined++];
            if (!still_matters(graph, block))
                continue;
            scan_range(graph, graph_address(graph, block), graph_size(graph, block), ask_heuristics, search);
        }
        follow_strong(search);
    }
}

static void find_reachable(struct search *search)
{
    struct graph *graph = search->graph;
    search->mark = MARK_REACHED;
    for (uint32_t block = 0; block < graph->n; block++)
        if (graph->marks[block] & MARK_REACHED)
            search->stack[search->top++] = block;
    /* All seeds are on the stack before the first is followed, so that each block is on it once. */
    follow_strong(search);
    for (size_t i = 0; i < graph->n_root_interior; i++)
        ask_heuristics(search, 0, graph->root_interior[i]);
    follow(search);
}

/* ---- stacks ---- */

/* Everything that this slot is the first to reach is reached from it now: it is the slot's. */
static void search_from_slot(void *ctx, const struct root *root, uint64_t at, uint64_t word)
{
    struct search *search = ctx;
    struct graph *graph = search->graph;
    uint32_t block;
    uint64_t offset;
    if (!graph_holds(graph, word, &block)) {
        if (block == NO_BLOCK || (graph->marks[block] & MARK_REACHED))
            return;
        graph_find(graph, word, &offset);
        if (!heuristic_holds(graph, word, block, offset))
            return;
    }
    search->bytes = search->blocks = 0;
    reach(search, block);
    follow(search);
    if (!search->blocks)
        return;
    if (graph->n_seeds == graph->room_seeds)
        graph->seeds = memory_resize(graph->seeds, graph->room_seeds = graph->room_seeds ? 2 * graph->room_seeds : 64, sizeof *graph->seeds);
    graph->seeds[graph->n_seeds++] = (struct stack_seed){at, word, (uint32_t)(root - graph->roots), block, search->bytes, search->blocks};
}

/* What nothing but stacks and registers holds. */
static void find_stack_only(struct search *search)
{
    search->mark = MARK_REACHED | MARK_STACK_ONLY;
    graph_visit_roots(search->graph, ROOT_FIRST_STACK, ROOT_REGISTERS, search_from_slot, search);
}

static void possible(struct search *search, uint32_t block)
{
    if (search->graph->marks[block] & (MARK_REACHED | MARK_POSSIBLE))
        return;
    search->graph->marks[block] |= MARK_POSSIBLE;
    search->stack[search->top++] = block;
}

static void find_possible(struct search *search)
{
    struct graph *graph = search->graph;
    const uint32_t *edges;
    for (size_t i = 0; i < graph->n_root_interior; i++) {
        uint64_t offset;
        uint32_t block = graph_find(graph, graph->root_interior[i], &offset);
        if (block != NO_BLOCK)
            possible(search, block);
    }
    for (size_t i = 0; i < search->n_examine; i++) {
        uint32_t n = graph_edges(graph, search->examine[i], &edges);
        for (uint32_t k = 0; k < n; k++)
            if (edges[k] & EDGE_INTERIOR)
                possible(search, edges[k] & ~EDGE_INTERIOR);
    }
    while (search->top) {
        uint32_t n = graph_edges(graph, search->stack[--search->top], &edges);
        for (uint32_t k = 0; k < n; k++)
            possible(search, edges[k] & ~EDGE_INTERIOR);
    }
}

/* ---- lost blocks ---- */

static bool find_leaders(struct graph *graph)
{
    const uint8_t settled = MARKS_HELD | MARK_INDIRECT;
    uint32_t lost = 0, top = 0;
    for (uint32_t block = 0; block < graph->n; block++)
        lost += !(graph->marks[block] & MARKS_HELD);
    uint32_t *stack = memory_try(lost, sizeof *stack);
    if (!stack)
        return false;
    for (uint32_t leader = 0; leader < graph->n; leader++) {
        if (graph->marks[leader] & settled)
            continue;
        uint32_t block = leader;
        for (;;) {
            const uint32_t *edges;
            uint32_t n = graph_edges(graph, block, &edges);
            for (uint32_t k = 0; k < n; k++) {
                uint32_t target = edges[k] & ~EDGE_INTERIOR;
                if ((graph->marks[target] & settled) || target == leader)
                    continue;
                graph->marks[target] |= MARK_INDIRECT;
                graph->leader[target] = leader;
                stack[top++] = target;
            }
            if (!top)
                break;
            block = stack[--top];
        }
    }
    free(stack);
    return true;
}

uint32_t graph_leader(struct graph *graph, uint32_t block)
{
    uint32_t end = block;
    while (graph_is_indirect(graph, end))
        end = graph->leader[end];
    while (block != end) {      /* shorten the way for the next one */
        uint32_t next = graph->leader[block];
        graph->leader[block] = end;
        block = next;
    }
    return end;
}

bool graph_reach(struct graph *graph, struct error *error)
{
    struct search search = {.graph = graph};
    graph->leader = memory_try(graph->n, sizeof *graph->leader);
    if (graph->leader) {
        search.stack = graph->leader;
        find_reachable(&search);
        find_stack_only(&search);
        find_possible(&search);
        free(search.examine);
        if (find_leaders(graph))
            return true;
    }
    error_set(error, "no memory to search %u blocks", graph->n);
    return false;
}
