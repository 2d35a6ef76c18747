/* What the program can still reach by itself: the roots.
 *
 *   taken    every mapping that is readable and writable and no device: data of modules, the kernel's heap and stacks, thread
 *            control blocks with static TLS (glibc puts them at the top of a thread's stack), anonymous and shared memory
 *   minus    the heap's regions, the tool's memory, libmidden.so itself
 *   minus    of a stopped thread's stack what lies below its stack pointer; the stacks of threads that have ended and which
 *            glibc keeps for the next one
 *   plus     registers of stopped threads, saved contexts on other stacks, ranges that the program registered
 *
 * How: stacks and what must not be scanned are collected as ranges first, each with the thread it belongs to; then every mapping
 * is cut along them:
 *
 *    mapping  ├──── excluded ────┼──── stack of thread 2 ────┼─ TLS of 2 ─┤      ├─ data ─┼ libmidden ┼─ data ─┤
 *                           stack_low                     start_sp     mapping end
 *
 * A part of a mapping is only left out as a stack when it is one beyond doubt: the mapping is named [stack], or ends below in a
 * page that cannot be touched, as glibc's thread stacks do, or the program supplied it to pthread_create. Another stack that the
 * program made is scanned whole: what is left out wrongly would be a false leak, what is scanned needlessly only hides one. The stack of an ended thread must still carry glibc's
 * signature, a thread control block that points to itself; its address may long have been given to something else. */
#include <stdlib.h>
#include <string.h>

#include "leak_graph.h"
#include "memory.h"

struct range {
    uint64_t start, end;
    uint32_t thread;
    uint8_t kind;               /* enum root_kind; of what is excluded: 0 */
};

struct ranges {
    struct range *list;
    size_t n, room;
};

static void add(struct ranges *ranges, struct range range)
{
    if (range.start >= range.end)
        return;
    if (ranges->n == ranges->room)
        ranges->list = memory_resize(ranges->list, ranges->room = ranges->room ? 2 * ranges->room : 256, sizeof *ranges->list);
    ranges->list[ranges->n++] = range;
}

static void exclude(struct ranges *ranges, uint64_t start, uint64_t end)
{
    add(ranges, (struct range){start, end, 0, 0});
}

static void add_root(struct graph *graph, uint64_t start, uint64_t end, enum root_kind kind, uint32_t thread)
{
    if (graph->n_roots == graph->room_roots) {
        graph->room_roots = graph->room_roots ? 2 * graph->room_roots : 256;
        graph->roots = memory_resize(graph->roots, graph->room_roots, sizeof *graph->roots);
    }
    graph->roots[graph->n_roots++] = (struct root){start, end, thread, (uint8_t)kind};
}

/* ---- memory ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* true: it can be read and written, and doing so is memory's, no device's. */
static bool is_memory(const struct image_mapping *mapping)
{
    const char *path = mapping->path;
    bool device = (starts_with(path, "/dev/") && !starts_with(path, "/dev/zero") && !starts_with(path, "/dev/shm/"))
               || starts_with(path, "anon_inode:");
    return (mapping->access & IMAGE_READ) && (mapping->access & IMAGE_WRITE) && !device;
}

/* ---- stacks ---- */

/* Some cores leave out pages that cannot be touched, or show zeros there. glibc's thread control block says what the stack is: start,
 * size and guard, three words in a row, all whole pages; without a guard it is the program's own. true: such a stack starts with
 * this mapping. */
static bool is_glibc_stack(const struct graph *graph, const struct image_mapping *mapping, uint64_t thread_pointer)
{
    uint64_t words[256], page = 4096;
    if (thread_pointer < mapping->start || thread_pointer >= mapping->end)
        return false;
    size_t n = image_read(graph->records->image, thread_pointer, words, sizeof words) / sizeof *words;
    for (size_t i = 0; i + 3 <= n; i++) {
        uint64_t start = words[i], size = words[i + 1], guard = words[i + 2];
        if ((start | size | guard) % page == 0 && guard && guard < size && start <= mapping->start
            && (start == mapping->start || start + guard == mapping->start)
            && size > thread_pointer - start && size <= mapping->end - start)
            return true;
    }
    return false;
}

/* true: nothing but a stack can start here: the pages below cannot be touched, or it is the main thread's. */
static bool is_stack_bottom(const struct graph *graph, const struct image_mapping *mapping, const struct record_thread *thread)
{
    const struct image *image = graph->records->image;
    const struct image_mapping *below = mapping > image->mappings ? mapping - 1 : NULL;
    unsigned char byte;
    if (strcmp(mapping->path, "[stack]") == 0)
        return true;
    if (below && below->end == mapping->start && !(below->access & (IMAGE_READ | IMAGE_WRITE | IMAGE_EXECUTE)))
        return true;
    if (image->guards_unseen)
        return is_glibc_stack(graph, mapping, thread->thread_pointer);
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
static bool any_stack_in(const struct record_thread *const *others, uint64_t start, uint64_t end)
{
    for (; *others; others++) {
        const struct record_thread *thread = *others;
        if ((thread->start_sp >= start && thread->start_sp < end) || (thread->thread_pointer >= start && thread->thread_pointer < end))
            return true;
    }
    return false;
}

/* The threads that have not ended, NULL behind the last: a program may have had a hundred thousand that have. */
static const struct record_thread **not_ended(const struct records *records)
{
    const struct record_thread **list = memory_new(records->n_threads + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 1; i < records->n_threads; i++)
        if (is_running(&records->threads[i]) || records->threads[i].state == RECORD_THREAD_GONE)
            list[n++] = &records->threads[i];
    return list;
}

/* others: see not_ended(). */
static void exclude_ended_stack(struct graph *graph, const struct record_thread *thread, const struct record_thread *const *others,
                                struct ranges *ranges)
{
    struct records *records = graph->records;
    uint64_t page = records->anchor.page_size >= 4096 && records->anchor.page_size <= 65536 ? records->anchor.page_size : 4096;
    const struct image_mapping *mapping = image_mapping_at(records->image, thread->start_sp);
    uint64_t top = (thread->thread_pointer | (page - 1)) + 1;
    if (!mapping || strcmp(mapping->path, "[stack]") == 0 || thread->thread_pointer < thread->start_sp
        || top > mapping->end || thread->thread_pointer >= mapping->end
        || any_stack_in(others, mapping->start, top)
        || !is_stack_bottom(graph, mapping, thread) || !has_thread_block(graph, thread->thread_pointer))
        return;
    exclude(ranges, mapping->start, top);
}

/* Frames of the C library that lie between start_sp and the end of the stack: those that started the thread. */
#define FIRST_FRAMES 512u

/* Where a thread's own stack lies. */
struct extent_of_stack {
    uint64_t start, end;
    bool of_main;               /* the kernel's, in [stack] */
};

/* false: nothing that is a stack beyond doubt. What the program supplied was recorded; it is one. */
static bool own_stack(const struct graph *graph, const struct record_thread *thread, struct extent_of_stack *stack)
{
    const struct image *image = graph->records->image;
    const struct image_mapping *mapping = image_mapping_at(image, thread->start_sp);
    if (!mapping || !is_memory(mapping))
        return false;
    *stack = (struct extent_of_stack){mapping->start, mapping->end, strcmp(mapping->path, "[stack]") == 0};
    if (thread->start_sp >= thread->stack_start && thread->start_sp < thread->stack_end
        && image_covers(image, thread->stack_start, thread->stack_end - thread->stack_start)) {
        stack->start = thread->stack_start;
        stack->end = thread->stack_end;
        return true;
    }
    return is_stack_bottom(graph, mapping, thread);
}

/* The thread's own stack from `low` up, and the static thread-local storage above it. Above the main thread's first frame lie the
 * program's arguments and environment: memory like any other. */
static void add_stack(const struct graph *graph, const struct extent_of_stack *stack, uint64_t low, uint32_t index, struct ranges *stacks)
{
    const struct record_thread *thread = &graph->records->threads[index];
    uint64_t high = stack->of_main ? thread->start_sp : stack->end;
    if (!stack->of_main && thread->thread_pointer > thread->start_sp && thread->thread_pointer < stack->end) {
        high = thread->thread_pointer - thread->start_sp > FIRST_FRAMES ? thread->start_sp + FIRST_FRAMES : thread->thread_pointer;
        add(stacks, (struct range){high, stack->end, index, ROOT_TLS});
    }
    add(stacks, (struct range){low, high, index, ROOT_STACK});
}

/* ---- threads that nobody parked: of a core that the kernel or gcore wrote ---- */

#if defined(__aarch64__)
#define RED_ZONE 0u
#else
#define RED_ZONE 128u           /* bytes below the stack pointer that a function may use */
#endif

/* The registers of the threads of a core, whether the records know them or not; but not of those that were parked: their
 * records say what of them counts. */
static void add_core_registers(struct graph *graph)
{
    const struct records *records = graph->records;
    const struct image *image = records->image;
    uint32_t *index = memory_new(image->n_threads, sizeof *index);
    for (size_t i = 1; i < records->n_threads; i++) {
        size_t seen = is_running(&records->threads[i]) ? image_thread(image, records->threads[i].tid) : 0;
        if (seen)
            index[seen - 1] = (uint32_t)i;
    }
    for (size_t i = 0; i < image->n_threads; i++)
        if (!index[i] || !records->threads[index[i]].stack_low)
            add_root(graph, i + 1, 0, ROOT_REGISTERS, index[i]);
    free(index);
}

/* A thread that was in a handler of ours when the core was taken: the program's registers are in the signal's frame, above `low` on
 * the handler's stack, which is no root otherwise. */
static void add_handler_frames(struct graph *graph, uint64_t low, uint32_t index)
{
    const struct records *records = graph->records;
    for (size_t i = 0; i < records->n_own; i++)
        if (low >= records->own[i].start && low - records->own[i].start < records->own[i].bytes)
            add_root(graph, low, records->own[i].start + records->own[i].bytes, ROOT_CONTEXT, index);
}

/* Registers, saved context, and stack of a thread. */
static void take_thread(struct graph *graph, uint32_t index, struct ranges *excluded, struct ranges *stacks)
{
    const struct image *image = graph->records->image;
    const struct record_thread *thread = &graph->records->threads[index];
    struct extent_of_stack own;
    bool sure = own_stack(graph, thread, &own);
    size_t seen = thread->stack_low ? 0 : image_thread(image, thread->tid);
    uint64_t low = seen ? image->threads[seen - 1].sp - RED_ZONE : thread->stack_low;
    if (!low) {
        if (thread->state == RECORD_THREAD_RUNNING)
            graph->result->unparked++;
        if (sure)
            add_stack(graph, &own, own.start, index, stacks);
        return;
    }
    if (seen)
        add_handler_frames(graph, low, index);
    else if (thread->n_registers)
        add_root(graph, 0, 0, ROOT_REGISTERS, index);
    if (thread->context_high > thread->context_low && image_covers(image, thread->context_low, thread->context_high - thread->context_low))
        add_root(graph, thread->context_low, thread->context_high, ROOT_CONTEXT, index);
    /* A stack of the program's making may be a block: then that is in use. */
    uint64_t offset;
    if (graph_find(graph, low, &offset) != NO_BLOCK)
        add_root(graph, low, 0, ROOT_STACK_BLOCK, index);
    bool on_own = sure && thread->start_sp >= low && low >= own.start;
    if (on_own)
        exclude(excluded, own.start, low);
    if (sure)
        add_stack(graph, &own, on_own ? low : own.start, index, stacks);
}

/* One that did not survive the fork: nobody knows where its stack pointer was. */
static void take_gone_thread(struct graph *graph, uint32_t index, struct ranges *stacks)
{
    struct extent_of_stack own;
    if (own_stack(graph, &graph->records->threads[index], &own))
        add_stack(graph, &own, own.start, index, stacks);
}

static void take_threads(struct graph *graph, struct ranges *excluded, struct ranges *stacks)
{
    const struct records *records = graph->records;
    const struct record_thread **others = not_ended(records);
    add_core_registers(graph);
    for (size_t i = 1; i < records->n_threads; i++) {
        const struct record_thread *thread = &records->threads[i];
        if (thread->state == RECORD_THREAD_ENDED)
            exclude_ended_stack(graph, thread, others, excluded);
        else if (is_running(thread))
            take_thread(graph, (uint32_t)i, excluded, stacks);
        else if (thread->state == RECORD_THREAD_GONE)
            take_gone_thread(graph, (uint32_t)i, stacks);
    }
    free(others);
    if (graph->result->unparked)
        records_problem(graph->records, "%u running thread%s did not stop for the leak check: the whole of %s was searched, and what seemed "
                        "definitely lost counts as possibly lost", graph->result->unparked, graph->result->unparked == 1 ? "" : "s",
                        graph->result->unparked == 1 ? "its stack" : "their stacks");
}

/* ---- cutting ---- */

static int by_start(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

/* Sorts, and makes disjoint: merged into as few as possible, or each cut where the one before it ends. */
static void settle(struct ranges *ranges, bool merge)
{
    size_t kept = 0;
    if (ranges->n)
        qsort(ranges->list, ranges->n, sizeof *ranges->list, by_start);
    for (size_t i = 0; i < ranges->n; i++) {
        struct range range = ranges->list[i], *last = kept ? &ranges->list[kept - 1] : NULL;
        if (merge && last && range.start <= last->end) {
            if (range.end > last->end)
                last->end = range.end;
            continue;
        }
        if (last && range.start < last->end)
            range.start = last->end;
        if (range.start < range.end)
            ranges->list[kept++] = range;
    }
    ranges->n = kept;
}

/* Adds [start, end) without the ranges of `taken` (disjoint) as roots. *from: the first of those that may matter; moved along. */
static void add_without(struct graph *graph, const struct range *range, const struct ranges *taken, size_t *from)
{
    uint64_t start = range->start;
    while (*from < taken->n && taken->list[*from].end <= start)
        (*from)++;
    for (size_t i = *from; start < range->end; i++) {
        bool cut = i < taken->n && taken->list[i].start < range->end;
        uint64_t stop = !cut ? range->end : taken->list[i].start > start ? taken->list[i].start : start;
        if (stop > start)
            add_root(graph, start, stop, (enum root_kind)range->kind, range->thread);
        if (!cut)
            break;
        if (taken->list[i].end > start)
            start = taken->list[i].end;
    }
}

static int by_kind(const void *left, const void *right)
{
    const struct root *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

void graph_find_roots(struct graph *graph)
{
    const struct records *records = graph->records;
    const struct image *image = records->image;
    struct ranges excluded = {0}, stacks = {0};
    size_t from = 0;
    take_threads(graph, &excluded, &stacks);
    for (size_t i = 0; i < records->n_regions; i++)
        exclude(&excluded, records->regions[i].base, records->regions[i].base + records->regions[i].bytes);
    for (size_t i = 0; i < records->n_own; i++)
        exclude(&excluded, records->own[i].start, records->own[i].start + records->own[i].bytes);
    exclude(&excluded, records->anchor.own_start, records->anchor.own_end);
    settle(&excluded, true);
    settle(&stacks, false);
    for (size_t i = 0; i < stacks.n; i++)
        add_without(graph, &stacks.list[i], &excluded, &from);
    for (size_t i = 0; i < stacks.n; i++)
        exclude(&excluded, stacks.list[i].start, stacks.list[i].end);
    settle(&excluded, true);
    from = 0;
    for (size_t i = 0; i < image->n_mappings; i++) {
        const struct image_mapping *mapping = &image->mappings[i];
        const struct range all = {mapping->start, mapping->end, 0, ROOT_MEMORY};
        if (is_memory(mapping))
            add_without(graph, &all, &excluded, &from);
    }
    for (size_t i = 0; i < records->n_roots; i++)
        add_root(graph, records->roots[i].start, records->roots[i].start + records->roots[i].bytes, ROOT_REGISTERED, 0);
    if (graph->n_roots)
        qsort(graph->roots, graph->n_roots, sizeof *graph->roots, by_kind);
    free(excluded.list);
    free(stacks.list);
}
