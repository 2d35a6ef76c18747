/* The loader's thread-local storage among the heap's blocks.
 *
 * glibc allocates a thread's vector of modules (DTV) and the memory of each dynamically loaded module's variables with malloc. It
 * keeps pointers to their insides, and those of a thread that has ended in a stack that is no root: by the letter they would be
 * possibly or definitely lost, on correct programs. They are found by structure:
 *
 *    thread pointer ─▶ │ itself │ dtv │ itself │ …            (x86-64; on aarch64 dtv is the first word)
 *                                  │
 *            block ─▶ │ count, pad │▼ generation │ value, to_free │ value, to_free │ …      (16 bytes each)
 *                                                         └──────────────┴─▶ blocks of dynamic TLS, to be freed
 *
 * Only a block that was allocated from within the loader (or whose stack is unknown) is taken for one of these. Those of running
 * threads are in use; those of ended ones hold nothing, and nothing need hold them. */
#include "leak_graph.h"

#define MOST_ENTRIES 4096u

static bool from_loader(struct records *records, uint64_t address)
{
    struct records_found found;
    if (!records_block_at(records, address, &found))
        return false;
    const struct record_node *node = records_node(records, found.block.alloc_stack);
    return !node || (records_module(records, record_node_module(node->place))->flags & RECORD_MODULE_LOADER);
}

/* Marks the block that `pointer` leads to, `offset` bytes in; false: none of the loader's. */
static bool mark(struct graph *graph, uint64_t pointer, uint64_t offset, bool in_use)
{
    uint64_t within;
    uint32_t block = graph_find(graph, pointer, &within);
    if (block == NO_BLOCK || (offset != UINT64_MAX && within != offset))
        return false;
    if (!(graph->marks[block] & MARK_LOADER_TLS) && !from_loader(graph->records, pointer))
        return false;
    graph->marks[block] |= in_use ? MARK_LOADER_TLS | MARK_REACHED : MARK_LOADER_TLS;
    return true;
}

static void mark_thread(struct graph *graph, uint64_t thread_pointer, bool in_use)
{
    const struct image *image = graph->records->image;
    uint64_t dtv, count, entry[2];
#if defined(__aarch64__)
    if (!image_read_all(image, thread_pointer, &dtv, sizeof dtv))
        return;
#else
    uint64_t head[3];
    if (!image_read_all(image, thread_pointer, head, sizeof head) || head[0] != thread_pointer || head[2] != thread_pointer)
        return;
    dtv = head[1];
#endif
    if (dtv < 16 || !image_read_all(image, dtv - 16, &count, sizeof count) || count > MOST_ENTRIES)
        return;
    mark(graph, dtv, 16, in_use);   /* the main thread's lies outside the heap */
    for (uint64_t i = 1; i <= count && image_read_all(image, dtv + 16 * i, entry, sizeof entry); i++)
        if (entry[1])
            mark(graph, entry[1], UINT64_MAX, in_use);
}

void graph_mark_tls(struct graph *graph)
{
    const struct records *records = graph->records;
    for (size_t i = 1; i < records->n_threads; i++) {
        const struct record_thread *thread = &records->threads[i];
        bool running = thread->state == RECORD_THREAD_RUNNING || thread->state == RECORD_THREAD_PARKED;
        if (thread->thread_pointer && thread->state != RECORD_THREAD_NONE)
            mark_thread(graph, thread->thread_pointer, running);
    }
}
