/* The leak checker's picture of the heap: which blocks live where, and which points to which.
 *
 * Living blocks are numbered in address order, 0..n-1, and everything about them is kept in arrays by that number, never a copy
 * of their memory. A block is found from any address in it through an extent:
 *
 *    address ─▶ bucket[] ─▶ extent ─▶ uniform: slot = (address - base) / stride ─▶ words[slot / 64]: does it live, which number
 *                                  └▶ placed:  binary search in offsets[]
 *
 *    words[]    ┌ live: a bit per slot ┬ rank: number of the first living slot here, less extent.first ┐   16 bytes per 64 slots
 *
 * Pointers kept ("edges") are one 32-bit word each: the target's number, and whether the pointer leads to its first byte. Those
 * of unit u (UNIT_BLOCKS consecutive blocks) lie in edges[u]; those of block b end at edge_end[b] and start where those of b - 1
 * end (at 0 for the first of a unit). All in all 13 bytes a block, 16 and a quarter if it is placed, and 4 a pointer. */
#ifndef MIDDEN_REPORT_LEAK_GRAPH_H
#define MIDDEN_REPORT_LEAK_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "leak_edges.h"
#include "leaks.h"
#include "records.h"

enum block_mark {
    MARK_REACHED = 1,       /* by start-pointers all the way */
    MARK_POSSIBLE = 2,
    MARK_INDIRECT = 4,      /* leader[] says from which block */
    MARK_STACK_ONLY = 4,    /* of a reached block: only from a thread's stack or registers */
    MARK_OWN = 8,           /* the tool's: a root, never listed */
    MARK_LOADER_TLS = 16,   /* the loader's: any pointer holds it; never listed */
    MARK_IGNORED = 32,      /* a root by the program's wish */
    MARK_INHERITED = 64,
    MARK_EXAMINE = 128      /* reached, and has interior-pointers that may yet matter; it is in the list of them */
};
#define MARKS_HIDDEN (MARK_OWN | MARK_LOADER_TLS)
#define MARKS_HELD (MARK_REACHED | MARK_POSSIBLE | MARKS_HIDDEN)     /* none of these: lost */

struct slot_word {
    uint64_t live;
    uint32_t rank;
};

#define NO_REGION 0x7fffffffu    /* objects of pools outside the heap */

struct extent {                 /* 64 bytes, a cache line */
    uint64_t base, end;         /* half-open */
    uint64_t reciprocal;        /* 2^64 / stride, rounded up; 0: divide */
    uint32_t stride;            /* 0: placed */
    uint32_t user_offset;
    uint32_t slots;             /* uniform: that have records */
    uint32_t first, n;          /* numbers of its blocks */
    uint32_t region : 31;       /* index into records->regions; NO_REGION */
    uint32_t mixed : 1;         /* objects of pools are among its blocks */
    struct slot_word *words;    /* uniform */
    uint32_t *offsets;          /* placed: [n], from base, rising */
};
_Static_assert(sizeof(struct extent) == 64, "one miss brings a whole extent");

/* Functions that look at every word of the program: compiled for newer processors of every maker as well (a name like haswell would be
 * Intel's alone), the best form is chosen at start. Inner
 * loops over a constant number of words become vector instructions (AVX2 there, SSE2 or NEON elsewhere). */
#if defined(__x86_64__) && !defined(__clang__)
#define FAST_SCAN __attribute__((target_clones("avx2", "default")))
#else
#define FAST_SCAN
#endif

#define FILTER_WORDS 16u        /* that are tested at once */

/* true: some of the words may point into the heap. */
static inline bool any_in_span(const uint64_t *words, uint64_t low, uint64_t span)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < FILTER_WORDS; i++)
        any |= words[i] - low < span ? 1u : 0u;
    return any != 0;
}

#define UNIT_BLOCKS 8192u
#define NO_BLOCK UINT32_MAX
#define MAX_BLOCKS 0x7fffffffu
#define BIG_SIZE UINT32_MAX     /* in size[]: look into big[] */
#define EDGE_INTERIOR 0x80000000u

struct big_block {          /* one that needs a closer look: of 4 GiB and more, or the empty new[] below */
    uint32_t block;
    uint64_t size;
};

/* Bytes of the block that `new T[0]` makes when T has a destructor: the element count alone. The pointer to the (no) elements leads
 * right behind its end, and is as good as one to its start. */
#define EMPTY_ARRAY_BYTES 8u

/* A piece of memory that the program reaches by itself, or the registers of a thread. In the order of `kind`, then of `start`. */
struct root {
    uint64_t start, end;        /* half-open. ROOT_REGISTERS: 0, or the place in image->threads, +1. ROOT_STACK_BLOCK: the block that thread runs on, and 0 */
    uint32_t thread;            /* index in the records; 0: no thread's own */
    uint8_t kind;               /* enum root_kind */
};

enum root_kind {
    ROOT_MEMORY,                /* data of a module, or any other mapping */
    ROOT_TLS,                   /* what lies above a thread's stack: its static thread-local storage */
    ROOT_REGISTERED,            /* by the program */
    /* From here on: what ends with a call or a thread. */
    ROOT_STACK,                 /* of a thread, from the stack pointer up */
    ROOT_CONTEXT,               /* registers (all of them) that a signal frame keeps */
    ROOT_STACK_BLOCK,
    ROOT_REGISTERS
};
#define ROOT_FIRST_STACK ROOT_STACK

/* A block that nothing but a stack held when the search came to this slot. */
struct stack_seed {
    uint64_t address;           /* of the slot; ROOT_REGISTERS: number of the register */
    uint64_t word;
    uint32_t root;              /* index into roots[] */
    uint32_t block;
    uint64_t bytes, blocks;     /* reached first from here, `block` included */
};

struct graph {
    struct records *records;
    const struct leaks_options *options;

    struct extent *extents;     /* in address order; none is empty */
    size_t n_extents;
    uint64_t low, span;         /* every block lies in [low, low + span) */
    uint32_t *bucket;           /* per stretch of 2^bucket_shift bytes from low: the first extent that ends in or behind it */
    unsigned bucket_shift;

    struct record_object **objects; /* of pools that are blocks, by address; of records->objects */
    size_t n_objects;
    uint64_t *supers;           /* addresses of the heap's blocks that they lie in, rising: those are none */
    size_t n_supers;

    uint32_t n;                 /* blocks */
    uint32_t *size;             /* bytes, or BIG_SIZE */
    uint8_t *marks;             /* enum block_mark */
    struct big_block *big;      /* rising */
    size_t n_big, room_big;

    struct edge_store edge_store;
    uint32_t **edges;           /* [units], in edge_store */
    uint32_t *edge_end;         /* [n] */
    size_t units;
    uint64_t n_edges;

    uint32_t *leader;           /* of indirectly lost blocks; also the mark stack before that */

    struct root *roots;
    size_t n_roots, room_roots;
    uint64_t *root_interior;    /* interior-pointers found in roots, those of stacks last */
    size_t n_root_interior, room_root_interior;
    struct stack_seed *seeds;   /* those that reached something, in the order of the roots */
    size_t n_seeds, room_seeds;

    struct leaks *result;
};

/* ---- leaks.c ---- */

/* The whole check, from graph->records, options and result. What it found stays in the graph. false: no memory. */
bool graph_check(struct graph *graph, struct error *error);

/* ---- leak_objects.c: objects of pools ---- */

/* Fills objects and supers. */
void graph_take_objects(struct graph *graph);
bool graph_is_super(const struct graph *graph, uint64_t address);
/* The first object that begins at or behind address; the one that begins there, NULL: none. */
size_t graph_objects_from(const struct graph *graph, uint64_t address);
const struct record_object *graph_object(const struct graph *graph, uint64_t address);

/* ---- leak_index.c: extents ---- */

/* Reads the records of every region and numbers the living blocks. false: no memory. */
bool graph_index(struct graph *graph, struct error *error);
void graph_free(struct graph *graph);

uint64_t graph_big_size(const struct graph *graph, uint32_t block);

/* The rest of graph_find() for a block whose size is in big[]. */
uint32_t graph_find_big(const struct graph *graph, uint32_t block, uint64_t within, uint64_t *offset);

static inline uint64_t graph_size(const struct graph *graph, uint32_t block)
{
    uint32_t size = graph->size[block];
    return size == BIG_SIZE ? graph_big_size(graph, block) : size;
}

/* MARK_INDIRECT means something else on blocks that are reached. */
static inline bool graph_is_indirect(const struct graph *graph, uint32_t block)
{
    return (graph->marks[block] & (MARK_INDIRECT | MARK_REACHED)) == MARK_INDIRECT;
}

static inline enum leak_kind graph_kind(const struct graph *graph, uint32_t block)
{
    uint8_t marks = graph->marks[block];
    return marks & MARK_REACHED ? LEAK_REACHABLE : marks & MARK_POSSIBLE ? LEAK_POSSIBLE
         : marks & MARK_INDIRECT ? LEAK_INDIRECT : LEAK_DEFINITE;
}

/* As reports tell it: a register of a thread that could not be stopped may hold what seems lost. */
static inline enum leak_kind graph_told_kind(const struct graph *graph, uint32_t block)
{
    enum leak_kind kind = graph_kind(graph, block);
    return (graph->result->unparked || graph->result->incomplete) && kind != LEAK_REACHABLE ? LEAK_POSSIBLE : kind;
}

/* Steps through the blocks in address order. */
struct walk {
    const struct graph *graph;
    const struct extent *extent;
    size_t word;                /* uniform: where we are; left: its bits still to come */
    uint64_t left;
    uint32_t block;             /* the current one */
    uint64_t address;
};
/* Before `block`: the next walk_next() is at it. */
void walk_start(struct walk *walk, const struct graph *graph, uint32_t block);
bool walk_next(struct walk *walk);

/* Address of a block. */
uint64_t graph_address(const struct graph *graph, uint32_t block);

/* The extent that address, which lies in the heap's span, lies in, among numbers low … high of them; NULL: none. */
static inline const struct extent *graph_extent_among(const struct graph *graph, uint64_t address, size_t low, size_t high)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->extents[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->n_extents && graph->extents[low].base <= address ? &graph->extents[low] : NULL;
}

static inline const struct extent *graph_extent(const struct graph *graph, uint64_t address)
{
    size_t k = (size_t)((address - graph->low) >> graph->bucket_shift);
    return graph_extent_among(graph, address, graph->bucket[k], graph->bucket[k + 1]);
}

/* The block that a word points into, and how far from its first byte; NO_BLOCK: none. */
static inline uint32_t graph_find(const struct graph *graph, uint64_t word, uint64_t *offset)
{
    if (word - graph->low >= graph->span)
        return NO_BLOCK;
    const struct extent *extent = graph_extent(graph, word);
    if (!extent)
        return NO_BLOCK;
    uint64_t within = word - extent->base;
    uint32_t block;
    if (extent->stride) {
        uint64_t slot = extent->reciprocal ? (uint64_t)(((unsigned __int128)within * extent->reciprocal) >> 64)
                                           : within / extent->stride;
        if (slot >= extent->slots)
            return NO_BLOCK;
        const struct slot_word *at = &extent->words[slot / 64];
        uint64_t bit = 1ull << slot % 64;
        within -= slot * extent->stride;
        if (!(at->live & bit) || within < extent->user_offset)
            return NO_BLOCK;
        within -= extent->user_offset;
        block = extent->first + at->rank + (uint32_t)__builtin_popcountll(at->live & (bit - 1));
    } else {
        size_t low = 0, high = extent->n;       /* the first offset above it, less one */
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (extent->offsets[middle] <= within)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == 0)
            return NO_BLOCK;
        within -= extent->offsets[low - 1];
        block = extent->first + (uint32_t)(low - 1);
    }
    uint32_t size = graph->size[block];
    if (within < (size ? size : 1) && size != BIG_SIZE) {
        *offset = within;
        return block;
    }
    return size == BIG_SIZE ? graph_find_big(graph, block, within, offset) : NO_BLOCK;
}

/* ---- leak_tls.c ---- */

/* Marks the loader's thread-local storage. */
void graph_mark_tls(struct graph *graph);

/* ---- leak_scan.c: what the blocks hold ---- */

/* Fills edges and edge_end. false: no memory. */
bool graph_scan(struct graph *graph, struct error *error);

/* How many threads shall share work of so many pieces. */
#define SCAN_CREW_MOST 16u
unsigned scan_crew(const struct graph *graph, size_t pieces);
/* How many neighbours of n pieces, which may be of very different size, one of so many threads takes at a time. */
size_t scan_batch(size_t n, unsigned threads);

/* Calls `word` for every aligned word of [address, address + n) that might point into the heap, `at` being where it lies. Returns
 * the bytes that could not be read. */
typedef void scan_word(void *ctx, uint64_t at, uint64_t word);
uint64_t scan_range(struct graph *graph, uint64_t address, uint64_t n, scan_word *word, void *ctx);     /* by several threads at once, too */

/* The same for many small ranges in rising order: what lies close together is read at once. worth: bytes from `address` on in which many of the
 * ranges to come lie; 0: few do. */
struct scan_near {              /* zero to begin with; words is to be freed */
    uint64_t at;
    size_t n;
    uint64_t *words;
};
void scan_next(struct graph *graph, struct scan_near *near, uint64_t address, uint64_t n, uint64_t worth, scan_word *word, void *ctx);

/* The edges of a block: their number, *first receives them. */
static inline uint32_t graph_edges(const struct graph *graph, uint32_t block, const uint32_t **first)
{
    uint32_t start = block % UNIT_BLOCKS ? graph->edge_end[block - 1] : 0;
    *first = start ? graph->edges[block / UNIT_BLOCKS] + start : graph->edges[block / UNIT_BLOCKS];
    return graph->edge_end[block] - start;
}

/* ---- leak_roots.c ---- */

/* Fills graph->roots. */
void graph_find_roots(struct graph *graph);

/* ---- leak_mark.c ---- */

/* Marks what roots hold that are no stack: by a start-pointer MARK_REACHED; other pointers go to root_interior. */
void graph_mark_memory(struct graph *graph);

/* true: `word` in a root holds a block that was not reached yet, by a start-pointer. Other pointers go to root_interior. *held: the
 * block, or NO_BLOCK. */
bool graph_holds(struct graph *graph, uint64_t word, uint32_t *held);

/* Calls `word` for everything in the roots of kinds first … last that might point into the heap; `at`: its address,
 * or the register's number. */
typedef void root_word(void *ctx, const struct root *root, uint64_t at, uint64_t word);
void graph_visit_roots(struct graph *graph, enum root_kind first, enum root_kind last, root_word *word, void *ctx);

/* ---- leak_heuristics.c ---- */

/* true: an interior-pointer `word`, into `block` at `offset`, counts as a start-pointer. */
bool heuristic_holds(const struct graph *graph, uint64_t word, uint32_t block, uint64_t offset);

/* ---- leak_reach.c ---- */

/* From the marks of graph_mark_memory(), the stacks and the edges: all other marks, seeds[], and leader[]. false: no memory. */
bool graph_reach(struct graph *graph, struct error *error);

/* The definitely lost block that an indirectly lost one hangs on. */
uint32_t graph_leader(struct graph *graph, uint32_t block);

/* ---- leak_group.c ---- */

/* Totals and records into graph->result. false: no memory. */
bool graph_group(struct graph *graph, struct error *error);

#endif
