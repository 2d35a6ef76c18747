/* What the blocks hold: one pass over their memory, in large reads, that keeps only the pointers.
 *
 * The blocks' memory is cut into pieces (leak_pieces.c), which several threads take one after the other. A worker reads
 * a window of up to 512 KiB, runs a range filter over the words of each block, many at once (nothing outside the heap's span can
 * matter; most words fall here), and collects the survivors in batches. A batch is looked up in steps, each for all its words, that
 * bring near what the next one reads: every look-up misses the caches several times, and so they miss together. The edges are written to where they stay
 * (leak_edges.c).
 *
 * Not kept: a block's pointers to itself, and the same edge twice in a row. Very large blocks are read only where they were
 * ever touched. What cannot be read counts as zero. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "leak_graph.h"
#include "leak_pieces.h"
#include "memory.h"
#include "processors.h"

#define WINDOW_BYTES ((size_t)512 << 10)     /* with the rest it fits in a processor's own cache */
#define SPARSE_BYTES ((uint64_t)4 << 20)    /* blocks from here on are asked what was touched */
#define FAR_BYTES 8192u                     /* blocks that lie further apart on the average are looked at one by one: between page guards every other
                                               page cannot be read */
#define NEAR_BYTES 512u                     /* of those, the ones that follow as closely are read together */
#define PAGE_BYTES 4096u
#define BATCH 256u                          /* words under way */

struct window {
    const struct image *image;
    uint64_t start;
    size_t n;
    uint64_t *words;            /* WINDOW_BYTES */
    uint64_t unreadable, read;
};

/* Puts the window over [address, end), as much of it as it can hold. From a page's start to a page's end where the memory goes on so far: the
 * kernel copies /proc/PID/mem in pieces of a page, and looks up two where a piece lies across them. */
static void move_window(struct window *window, uint64_t address, uint64_t end)
{
    const struct image_mapping *mapping = image_mapping_at(window->image, address);
    uint64_t start = address & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t stop = end > UINT64_MAX - PAGE_BYTES ? end : (end + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    window->start = mapping && mapping->start <= start ? start : address & ~UINT64_C(7);
    if (mapping && mapping->end >= stop)
        end = stop;
    uint64_t n = (end - window->start + 7) & ~UINT64_C(7);
    window->n = n > WINDOW_BYTES ? WINDOW_BYTES : (size_t)n;
    window->unreadable += window->n - image_read_around(window->image, window->start, window->words, window->n);
    window->read += window->n;
}

/* The bytes at `address`, up to n of them: *got receives how many (at least 1). Reads ahead as far as `limit`. */
static const unsigned char *window_at(struct window *window, uint64_t address, uint64_t n, uint64_t limit, size_t *got)
{
    if (address < window->start || address >= window->start + window->n
        || (n > window->start + window->n - address && n <= WINDOW_BYTES / 2))
        move_window(window, address, limit > address + n ? limit : address + n);
    size_t left = (size_t)(window->start + window->n - address);
    *got = n < left ? (size_t)n : left;
    return (const unsigned char *)window->words + (address - window->start);
}

/* ---- a worker ---- */

/* A word under way, and what is known of it so far. */
struct pending {
    uint64_t word;
    uint32_t source;            /* the block that it stands in */
    uint32_t low, high;         /* step 2: numbers of the extents that it may lie in. 4: low is the block */
    bool direct;                /* 3: extent, slot and within are known; else graph_find() is asked */
    const struct extent *extent;/* 3; NULL: none */
    uint64_t slot;
    uint64_t within;            /* from the block's first byte */
};

struct worker {
    struct graph *graph;
    struct window window;
    struct pending *batch;      /* [BATCH] */
    uint32_t n_batch;
    struct edge_writer writer;  /* edges of the piece */
    struct pieces *pieces;
    const struct extent *extent;/* of the last block */
    uint32_t first;             /* block of the piece */
    uint32_t source;            /* whose edges come next */
    uint64_t pointers;
    bool no_memory;
    pthread_t thread;
};

static void keep_edge(struct worker *worker, uint32_t edge)
{
    struct edge_writer *writer = &worker->writer;
    if (writer->n == writer->room && !edges_grow(writer)) {
        worker->no_memory = true;
        return;
    }
    writer->edges[writer->n++] = edge;
}

/* Keeps what was looked up, in the order of the words. */
static inline void keep(struct worker *worker, const struct pending *pending, uint32_t block, uint64_t offset)
{
    struct graph *graph = worker->graph;
    const struct edge_writer *writer = &worker->writer;
    while (worker->source < pending->source)    /* what came before has all its edges */
        graph->edge_end[worker->source++] = (uint32_t)writer->n;
    if (block == NO_BLOCK || block == pending->source)
        return;
    uint32_t edge = offset && !(graph->marks[block] & MARK_LOADER_TLS) ? block | EDGE_INTERIOR : block;
    uint32_t before = pending->source > worker->first ? graph->edge_end[pending->source - 1] : 0;
    if (writer->n > before && writer->edges[writer->n - 1] == edge)
        return;
    keep_edge(worker, edge);
}

/* Step 3 for a word: its slot, in a uniform extent. */
static inline void find_slot(struct pending *pending)
{
    const struct extent *extent = pending->extent;
    uint64_t within = pending->word - extent->base;
    pending->slot = (uint64_t)(((unsigned __int128)within * extent->reciprocal) >> 64);
    if (pending->slot >= extent->slots) {
        pending->extent = NULL;
        return;
    }
    pending->direct = true;
    pending->within = within - pending->slot * extent->stride - extent->user_offset;
    __builtin_prefetch(&extent->words[pending->slot / 64]);
}

/* Step 4: the block in the slot. What lies in front of it has wrapped round. */
static inline void find_block(const struct graph *graph, struct pending *pending)
{
    const struct extent *extent = pending->extent;
    const struct slot_word *at = &extent->words[pending->slot / 64];
    uint64_t bit = 1ull << pending->slot % 64;
    if (!(at->live & bit) || pending->within >= extent->stride) {
        pending->extent = NULL;
        return;
    }
    pending->low = extent->first + at->rank + (uint32_t)__builtin_popcountll(at->live & (bit - 1));
    if (pending->within)        /* the first byte of a block is its own whatever the size */
        __builtin_prefetch(&graph->size[pending->low]);
}

/* Looks all words of the batch up: graph_find() in steps, each for all of them, so that what one step asks for is there when the
 * next one reads it. */
FAST_SCAN static void flush(struct worker *worker)
{
    const struct graph *graph = worker->graph;
    struct pending *batch = worker->batch, *end = batch + worker->n_batch;
    for (struct pending *at = batch; at < end; at++)
        __builtin_prefetch(&graph->bucket[(at->word - graph->low) >> graph->bucket_shift]);
    for (struct pending *at = batch; at < end; at++) {
        const uint32_t *bucket = &graph->bucket[(at->word - graph->low) >> graph->bucket_shift];
        at->low = bucket[0];
        at->high = bucket[1];
        __builtin_prefetch(&graph->extents[at->low]);
    }
    for (struct pending *at = batch; at < end; at++) {
        at->extent = graph_extent_among(graph, at->word, at->low, at->high);
        at->direct = false;
        if (at->extent && at->extent->stride && at->extent->reciprocal)
            find_slot(at);
        else if (at->extent && !at->extent->stride)
            __builtin_prefetch(&at->extent->offsets[at->extent->n / 2]);
    }
    for (struct pending *at = batch; at < end; at++)
        if (at->extent && at->direct)
            find_block(graph, at);
    for (struct pending *at = batch; at < end; at++) {
        uint32_t block = NO_BLOCK, size;
        uint64_t offset = at->within;
        if (at->extent && at->direct && offset == 0)
            block = at->low;
        else if (at->extent && at->direct && (size = graph->size[at->low]) != BIG_SIZE)
            block = offset < (size ? size : 1) ? at->low : NO_BLOCK;
        else if (at->extent)
            block = graph_find(graph, at->word, &offset);
        keep(worker, at, block, offset);
    }
    worker->n_batch = 0;
}

static inline void enqueue(struct worker *worker, uint64_t word, uint32_t source)
{
    if (worker->n_batch == BATCH)
        flush(worker);
    worker->batch[worker->n_batch].word = word;
    worker->batch[worker->n_batch++].source = source;
}

/* The words of one stretch of a block: address is a multiple of 8. */
FAST_SCAN static void scan_words(struct worker *worker, const uint64_t *words, size_t n, uint32_t source)
{
    const uint64_t low = worker->graph->low, span = worker->graph->span;
    size_t i = 0;
    for (; i + FILTER_WORDS <= n; i += FILTER_WORDS) {
        if (!any_in_span(words + i, low, span))
            continue;
        for (size_t k = i; k < i + FILTER_WORDS; k++)
            if (words[k] - low < span)
                enqueue(worker, words[k], source);
    }
    for (; i < n; i++)
        if (words[i] - low < span)
            enqueue(worker, words[i], source);
}

static void scan_stretch(struct worker *worker, uint64_t start, uint64_t end, uint64_t limit, uint32_t source)
{
    for (uint64_t at = start; at < end;) {
        size_t got;
        const unsigned char *bytes = window_at(&worker->window, at, end - at, limit, &got);
        got &= ~(size_t)7;
        scan_words(worker, (const uint64_t *)(const void *)bytes, got / 8, source);
        at += got;
    }
}

/* The bytes [from, to) of a block. */
static void scan_block(struct worker *worker, const struct walk *walk, uint64_t from, uint64_t to, uint64_t limit)
{
    const struct image *image = worker->window.image;
    uint64_t start = (walk->address + from + 7) & ~UINT64_C(7), end = (walk->address + to) & ~UINT64_C(7);
    if (end <= start)
        return;
    if (graph_size(worker->graph, walk->block) < SPARSE_BYTES || !image->ops->touched) {
        scan_stretch(worker, start, end, limit, walk->block);
        return;
    }
    uint64_t first, last;
    for (uint64_t at = start; at < end && image->ops->touched(image->ctx, at, end, &first, &last); at = last) {
        if (last <= at || last > end || first < at)
            break;
        scan_stretch(worker, first, last & ~UINT64_C(7), last, walk->block);
    }
}

/* How far to read ahead of the block that walk is at, up to `most`. Within its extent only: between extents there may be anything. Among
 * blocks that lie far apart on the average, to the end of the last one that follows closely. */
static uint64_t read_limit(const struct worker *worker, const struct walk *walk, const struct piece *piece, uint64_t most)
{
    const struct extent *extent = walk->extent;
    if ((extent->end - extent->base) / extent->n < FAR_BYTES)
        return extent->end < most ? extent->end : most;
    struct walk next = *walk;
    uint64_t end = walk->address + graph_size(worker->graph, walk->block);
    while (end < most && end - walk->address < WINDOW_BYTES && next.block < piece->last && walk_next(&next) && next.extent == extent
           && next.address - end <= NEAR_BYTES)
        end = next.address + graph_size(worker->graph, next.block);
    return end < most ? end : most;
}

static void scan_piece(struct worker *worker, struct piece *piece)
{
    struct graph *graph = worker->graph;
    struct walk walk;
    uint64_t most = graph_address(graph, piece->last) + piece->to, limit = 0;
    worker->extent = NULL;
    worker->first = worker->source = piece->first;
    worker->writer.n = 0;
    walk_start(&walk, graph, piece->first);
    for (uint32_t block = piece->first; block <= piece->last && walk_next(&walk); block++) {
        uint64_t from = block == piece->first ? piece->from : 0, to = block == piece->last ? piece->to : graph_size(graph, block);
        if (walk.address + to > limit || walk.extent != worker->extent)
            limit = read_limit(worker, &walk, piece, most);
        worker->extent = walk.extent;
        scan_block(worker, &walk, from, to, limit);
    }
    flush(worker);
    uint32_t done = piece->ends ? piece->last + 1 : piece->last;
    while (worker->source < done)
        graph->edge_end[worker->source++] = (uint32_t)worker->writer.n;
    worker->pointers += worker->writer.n;
    if (!pieces_done(worker->pieces, piece, &worker->writer))
        worker->no_memory = true;
}

/* ---- all pieces ---- */

struct crew {
    struct graph *graph;
    struct pieces pieces;
    atomic_size_t next;
    atomic_bool stop;
    struct worker workers[SCAN_CREW_MOST];
};

struct task {
    struct crew *crew;
    struct worker *worker;
    bool leads;                 /* reports progress */
};

static void *work(void *argument)
{
    struct task *task = argument;
    struct graph *graph = task->crew->graph;
    struct pieces *pieces = &task->crew->pieces;
    for (;;) {
        size_t i = atomic_fetch_add(&task->crew->next, 1);
        if (i >= pieces->n || atomic_load(&task->crew->stop))
            return NULL;
        scan_piece(task->worker, &pieces->all[i]);
        if (task->worker->no_memory)
            atomic_store(&task->crew->stop, true);
        if (task->leads && graph->options->progress)
            graph->options->progress(graph->options->ctx, i + 1, pieces->n + pieces->n / 4 + 1);
    }
}

unsigned scan_crew(const struct graph *graph, size_t pieces)
{
    size_t n = graph->options->threads ? graph->options->threads : processors_allowed();
    if (n > pieces / 4 + 1)             /* a few pieces do not pay for a thread */
        n = pieces / 4 + 1;
    return n > SCAN_CREW_MOST ? SCAN_CREW_MOST : (unsigned)n;
}

size_t scan_batch(size_t n, unsigned threads)
{
    size_t batch = n / (threads * (size_t)32);
    return batch < 1 ? 1 : batch > 64 ? 64 : batch;
}

bool graph_scan(struct graph *graph, struct error *error)
{
    graph->units = (graph->n + (size_t)UNIT_BLOCKS - 1) / UNIT_BLOCKS;
    graph->edges = memory_try(graph->units, sizeof *graph->edges);
    graph->edge_end = memory_try(graph->n, sizeof *graph->edge_end);
    struct crew *crew = memory_new(1, sizeof *crew);
    struct task tasks[SCAN_CREW_MOST];
    bool no_memory = !graph->edges || !graph->edge_end || !pieces_cut(&crew->pieces, graph);
    unsigned n = scan_crew(graph, crew->pieces.n), started = 1;
    crew->graph = graph;
    for (unsigned i = 0; i < n && !no_memory; i++) {
        struct worker *worker = &crew->workers[i];
        worker->graph = graph;
        worker->pieces = &crew->pieces;
        worker->writer.store = &graph->edge_store;
        worker->window.image = graph->records->image;
        worker->window.words = memory_try(1, WINDOW_BYTES);
        worker->batch = memory_try(BATCH, sizeof *worker->batch);
        no_memory = !worker->window.words || !worker->batch;
        tasks[i] = (struct task){crew, worker, i == 0};
    }
    if (!no_memory) {
        while (started < n && pthread_create(&crew->workers[started].thread, NULL, work, &tasks[started]) == 0)
            started++;
        work(&tasks[0]);
        for (unsigned i = 1; i < started; i++)
            pthread_join(crew->workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < n; i++) {
        struct worker *worker = &crew->workers[i];
        graph->n_edges += worker->pointers;
        graph->result->scanned_bytes += worker->window.read;
        graph->result->unreadable_bytes += worker->window.unreadable;
        no_memory |= worker->no_memory;
        free(worker->window.words);
        free(worker->batch);
    }
    pieces_free(&crew->pieces);
    free(crew);
    if (no_memory)
        error_set(error, "no memory for the pointers between %u blocks", graph->n);
    return !no_memory;
}

/* ---- other memory ---- */

FAST_SCAN static void visit_words(const struct graph *graph, uint64_t at, const uint64_t *words, size_t n, scan_word *word, void *ctx)
{
    const uint64_t low = graph->low, span = graph->span;
    for (size_t i = 0; i < n;) {
        size_t end = n - i < FILTER_WORDS ? n : i + FILTER_WORDS;
        if (end - i == FILTER_WORDS && !any_in_span(words + i, low, span)) {
            i = end;
            continue;
        }
        for (; i < end; i++)
            if (words[i] - low < span)
                word(ctx, at + 8 * i, words[i]);
    }
}

static uint64_t scan_part(struct graph *graph, uint64_t start, uint64_t end, uint64_t *buffer, scan_word *word, void *ctx)
{
    uint64_t unreadable = 0;
    for (uint64_t at = start; at < end;) {
        size_t n = end - at < WINDOW_BYTES ? (size_t)(end - at) : WINDOW_BYTES;
        unreadable += n - image_read_around(graph->records->image, at, buffer, n);
        visit_words(graph, at, buffer, n / 8, word, ctx);
        at += n;
    }
    __atomic_fetch_add(&graph->result->scanned_bytes, end - start, __ATOMIC_RELAXED);
    return unreadable;
}

uint64_t scan_range(struct graph *graph, uint64_t address, uint64_t n, scan_word *word, void *ctx)
{
    const struct image *image = graph->records->image;
    uint64_t start = (address + 7) & ~UINT64_C(7), end = (address + n) & ~UINT64_C(7), unreadable = 0, from, to;
    if (end <= start)
        return 0;
    uint64_t *buffer = memory_new(1, end - start < WINDOW_BYTES ? (size_t)(end - start) : WINDOW_BYTES);
    if (end - start < SPARSE_BYTES || !image->ops->touched) {
        unreadable = scan_part(graph, start, end, buffer, word, ctx);
    } else {
        for (uint64_t at = start; at < end && image->ops->touched(image->ctx, at, end, &from, &to); at = to) {
            if (to <= at || to > end || from < at)
                break;
            unreadable += scan_part(graph, from & ~UINT64_C(7), to & ~UINT64_C(7), buffer, word, ctx);
        }
    }
    free(buffer);
    return unreadable;
}

void scan_next(struct graph *graph, struct scan_near *near, uint64_t address, uint64_t n, uint64_t worth, scan_word *word, void *ctx)
{
    uint64_t start = (address + 7) & ~UINT64_C(7), end = (address + n) & ~UINT64_C(7);
    if (end <= start)
        return;
    if (start < near->at || end > near->at + near->n) {
        if (worth > WINDOW_BYTES)
            worth = WINDOW_BYTES;
        if (worth < end - start) {
            scan_range(graph, address, n, word, ctx);
            return;
        }
        if (!near->words)
            near->words = memory_new(1, WINDOW_BYTES);
        near->at = start;
        near->n = (size_t)worth & ~(size_t)7;
        image_read_around(graph->records->image, start, near->words, near->n);
    }
    __atomic_fetch_add(&graph->result->scanned_bytes, end - start, __ATOMIC_RELAXED);
    visit_words(graph, start, near->words + (start - near->at) / 8, (size_t)(end - start) / 8, word, ctx);
}
