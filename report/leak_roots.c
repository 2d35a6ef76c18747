/* What the program can still reach by itself: the roots.
 *
 *   taken    every mapping that is readable and writable and no device: data of modules, the kernel's heap and stacks, thread
 *            control blocks with static TLS (glibc puts them at the top of a thread's stack), anonymous and shared memory
 *   minus    the heap's regions, the tool's memory, libmidden.so itself
 *   minus    of a stopped thread's stack what lies below its stack pointer; the stacks of threads that have ended and which
 *            glibc keeps for the next one
 *   plus     registers of stopped threads, saved contexts on other stacks, ranges that the program registered
 *
 * A part of a mapping is only left out as a stack when it is one beyond doubt: the mapping is named [stack], or ends below in a
 * page that cannot be touched, as glibc's thread stacks do. A stack that the program supplied is scanned whole: what is left out
 * wrongly would be a false leak, what is scanned needlessly only hides one. The stack of an ended thread must still carry glibc's
 * signature, a thread control block that points to itself; its address may long have been given to something else. */
#include <stdlib.h>
#include <string.h>

#include "leak_graph.h"
#include "memory.h"

struct range {
    uint64_t start, end;
};

struct ranges {
    struct range *list;
    size_t n, room;
};

static void add(struct ranges *ranges, uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    if (ranges->n == ranges->room)
        ranges->list = memory_resize(ranges->list, ranges->room = ranges->room ? 2 * ranges->room : 256, sizeof *ranges->list);
    ranges->list[ranges->n++] = (struct range){start, end};
}

static int by_start(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* ---- marking ---- */

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

static void root_word(void *ctx, uint64_t word)
{
    struct graph *graph = ctx;
    uint64_t offset;
    uint32_t block = graph_find(graph, word, &offset);
    if (block == NO_BLOCK || (graph->marks[block] & MARK_REACHED))
        return;
    if (offset == 0 || (graph->marks[block] & MARK_LOADER_TLS))
        graph->marks[block] |= MARK_REACHED;
    else
        keep_interior(graph, word);
}

/* ---- stacks ---- */

/* true: nothing but a stack can start here: the pages below cannot be touched, or it is the main thread's. */
static bool is_stack_bottom(const struct graph *graph, const struct image_mapping *mapping)
{
    const struct image *image = graph->records->image;
    const struct image_mapping *below = mapping > image->mappings ? mapping - 1 : NULL;
    unsigned char byte;
    if (strcmp(mapping->path, "[stack]") == 0)
        return true;
    if (below && below->end == mapping->start && !(below->access & (IMAGE_READ | IMAGE_WRITE | IMAGE_EXECUTE)))
        return true;
    return image_read(image, mapping->start, &byte, 1) == 0;   /* a guard inside the mapping (MADV_GUARD_INSTALL) */
}

/* true: at `pointer` is still a thread control block of glibc. */
static bool has_thread_block(const struct graph *graph, uint64_t pointer)
{
#if defined(__aarch64__)
    uint64_t dtv;       /* the block is { dtv, private }; struct pthread lies below it */
    return image_read_all(graph->records->image, pointer, &dtv, sizeof dtv) && dtv != 0;
#else
    uint64_t head[3];   /* { itself, dtv, itself } */
    return image_read_all(graph->records->image, pointer, head, sizeof head) && head[0] == pointer && head[2] == pointer;
#endif
}

static bool is_running(const struct record_thread *thread)
{
    return thread->state == RECORD_THREAD_RUNNING || thread->state == RECORD_THREAD_PARKED;
}

/* true: a thread's stack lies there that is in use, or was when this process was forked. */
static bool any_stack_in(const struct records *records, uint64_t start, uint64_t end)
{
    for (size_t i = 1; i < records->n_threads; i++) {
        const struct record_thread *thread = &records->threads[i];
        if ((is_running(thread) || thread->state == RECORD_THREAD_GONE) && ((thread->start_sp >= start && thread->start_sp < end)
                                   || (thread->thread_pointer >= start && thread->thread_pointer < end)))
            return true;
    }
    return false;
}

static void exclude_ended_stack(struct graph *graph, const struct record_thread *thread, struct ranges *excluded)
{
    struct records *records = graph->records;
    uint64_t page = records->anchor.page_size >= 4096 && records->anchor.page_size <= 65536 ? records->anchor.page_size : 4096;
    const struct image_mapping *mapping = image_mapping_at(records->image, thread->start_sp);
    uint64_t top = (thread->thread_pointer | (page - 1)) + 1;
    if (!mapping || strcmp(mapping->path, "[stack]") == 0 || thread->thread_pointer < thread->start_sp
        || top > mapping->end || thread->thread_pointer >= mapping->end
        || any_stack_in(records, mapping->start, top)
        || !is_stack_bottom(graph, mapping) || !has_thread_block(graph, thread->thread_pointer))
        return;
    add(excluded, mapping->start, top);
}

/* Registers, saved context, and the dead part of the stack of a thread that stands still. */
static void take_thread(struct graph *graph, const struct record_thread *thread, struct ranges *excluded, struct ranges *extra)
{
    const struct image *image = graph->records->image;
    if (!thread->stack_low) {
        if (thread->state == RECORD_THREAD_RUNNING)
            graph->result->unparked++;
        return;
    }
    for (uint32_t i = 0; i < thread->n_registers; i++)
        root_word(graph, thread->registers[i]);
    if (thread->context_high > thread->context_low && image_covers(image, thread->context_low, thread->context_high - thread->context_low))
        add(extra, thread->context_low, thread->context_high);
    const struct image_mapping *mapping = image_mapping_at(image, thread->stack_low);
    if (mapping && thread->start_sp >= thread->stack_low && thread->start_sp < mapping->end && is_stack_bottom(graph, mapping)) {
        add(excluded, mapping->start, thread->stack_low);
    } else {    /* it runs on a stack of the program's making: if that is a block, it is in use */
        uint64_t offset;
        uint32_t block = graph_find(graph, thread->stack_low, &offset);
        if (block != NO_BLOCK)
            graph->marks[block] |= MARK_REACHED;
    }
}

static void take_threads(struct graph *graph, struct ranges *excluded, struct ranges *extra)
{
    const struct records *records = graph->records;
    for (size_t i = 1; i < records->n_threads; i++) {
        const struct record_thread *thread = &records->threads[i];
        if (thread->state == RECORD_THREAD_ENDED)
            exclude_ended_stack(graph, thread, excluded);
        else if (is_running(thread))
            take_thread(graph, thread, excluded, extra);
    }
    if (graph->result->unparked)
        records_problem(graph->records, "%u running thread%s did not stop for the leak check: the whole of %s was searched, and what seemed "
                        "definitely lost counts as possibly lost", graph->result->unparked, graph->result->unparked == 1 ? "" : "s",
                        graph->result->unparked == 1 ? "its stack" : "their stacks");
}

/* ---- memory ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_device(const struct image_mapping *mapping)
{
    const char *path = mapping->path;
    return (starts_with(path, "/dev/") && !starts_with(path, "/dev/zero") && !starts_with(path, "/dev/shm/"))
        || starts_with(path, "anon_inode:");
}

/* Scans [start, end) without the excluded ranges; *from: the first of them that may matter, moved along. */
static void scan_without(struct graph *graph, uint64_t start, uint64_t end, const struct ranges *excluded, size_t *from)
{
    while (*from < excluded->n && excluded->list[*from].end <= start)
        (*from)++;
    for (size_t i = *from; start < end; i++) {
        uint64_t stop = end;
        if (i < excluded->n && excluded->list[i].start < stop)
            stop = excluded->list[i].start > start ? excluded->list[i].start : start;
        if (stop > start) {
            graph->result->root_bytes += stop - start;
            graph->result->unreadable_bytes += scan_range(graph, start, stop - start, root_word, graph);
        }
        if (i >= excluded->n || excluded->list[i].start >= end)
            break;
        if (excluded->list[i].end > start)
            start = excluded->list[i].end;
    }
}

void graph_roots(struct graph *graph)
{
    const struct records *records = graph->records;
    const struct image *image = records->image;
    struct ranges excluded = {0}, extra = {0};
    take_threads(graph, &excluded, &extra);
    for (size_t i = 0; i < records->n_regions; i++)
        add(&excluded, records->regions[i].base, records->regions[i].base + records->regions[i].bytes);
    for (size_t i = 0; i < records->n_own; i++)
        add(&excluded, records->own[i].start, records->own[i].start + records->own[i].bytes);
    add(&excluded, records->anchor.own_start, records->anchor.own_end);
    if (excluded.n)
        qsort(excluded.list, excluded.n, sizeof *excluded.list, by_start);
    /* Overlaps merged: scan_without() counts on rising ends. */
    size_t merged = 0;
    for (size_t i = 0; i < excluded.n; i++) {
        if (merged && excluded.list[i].start <= excluded.list[merged - 1].end) {
            if (excluded.list[i].end > excluded.list[merged - 1].end)
                excluded.list[merged - 1].end = excluded.list[i].end;
        } else {
            excluded.list[merged++] = excluded.list[i];
        }
    }
    excluded.n = merged;
    size_t from = 0;
    for (size_t i = 0; i < image->n_mappings; i++) {
        const struct image_mapping *mapping = &image->mappings[i];
        if ((mapping->access & IMAGE_READ) && (mapping->access & IMAGE_WRITE) && !is_device(mapping))
            scan_without(graph, mapping->start, mapping->end, &excluded, &from);
    }
    for (size_t i = 0; i < records->n_roots; i++)
        add(&extra, records->roots[i].start, records->roots[i].start + records->roots[i].bytes);
    for (size_t i = 0; i < extra.n; i++) {
        graph->result->root_bytes += extra.list[i].end - extra.list[i].start;
        scan_range(graph, extra.list[i].start, extra.list[i].end - extra.list[i].start, root_word, graph);
    }
    free(excluded.list);
    free(extra.list);
}
