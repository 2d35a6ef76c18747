/* The living blocks of one region.
 *
 *   1. The region's records are streamed (image_stream.c). A uniform region gives a bitmap of its living slots; their
 *      sizes go to the end of size[] in slot order, which is address order.
 *   2. A placed region gives (offset, size) pairs that are sorted by a radix sort before they are appended. One of 4 GiB and more is
 *      sorted by whole addresses and cut into extents of less than that, so that an offset fits 32 bits.
 *   3. A region with objects of pools in it (leak_objects.c) is taken for a placed one: its blocks but their superblocks, and the objects.
 *
 * A record that cannot be true (a size that leaves its slot or region, an address outside) is left out, and counted. */
#include <stdlib.h>
#include <string.h>

#include "leak_index.h"
#include "memory.h"

#define OFFSET_LIMIT UINT64_C(0xffffffff)

static bool ask_loader_tls(struct indexer *indexer, uint32_t stack)
{
    struct graph *graph = indexer->graph;
    pthread_mutex_lock(&indexer->stacks->asking);
    const struct record_node *node = records_node(graph->records, stack);
    const struct record_module *module = node ? records_module(graph->records, record_node_module(node->place)) : NULL;
    bool is = module && (module->flags & RECORD_MODULE_LOADER) && graph->options->loader_tls(graph->options->ctx, stack);
    __atomic_store_n(&indexer->stacks->tls_known[stack], is ? 2 : 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&indexer->stacks->asking);
    return is;
}

static bool is_loader_tls(struct indexer *indexer, uint32_t stack)
{
    if (!stack || stack >= indexer->stacks->n || !indexer->graph->options->loader_tls)
        return false;
    uint8_t known = __atomic_load_n(&indexer->stacks->tls_known[stack], __ATOMIC_RELAXED);
    return known ? known == 2 : ask_loader_tls(indexer, stack);
}

static uint8_t marks_of(struct indexer *indexer, const struct record_block *block)
{
    unsigned flags = record_head_flags(block->head);
    uint32_t fork_sequence = indexer->graph->records->anchor.fork_sequence;
    uint8_t marks = 0;
    if (flags & RECORD_FLAG_OWN)
        marks |= MARK_OWN | MARK_REACHED;
    if (flags & RECORD_FLAG_IGNORED)
        marks |= MARK_IGNORED | MARK_REACHED;
    if (fork_sequence && (int32_t)(block->sequence - fork_sequence) <= 0)
        marks |= MARK_INHERITED;
    if (is_loader_tls(indexer, block->alloc_stack))
        marks |= MARK_LOADER_TLS;
    return marks;
}

/* true: it may be an empty array (EMPTY_ARRAY_BYTES); what its count says is asked when it matters. */
static bool may_be_empty_array(const struct record_block *block)
{
    static const uint8_t families[RECORD_ALLOCATORS] = {
#define A(id, name, family, duty) [RECORD_BY_##id] = RECORD_FAMILY_##family,
#include "format/allocators.def"
#undef A
    };
    unsigned allocator = record_head_allocator(block->head);
    return record_head_size(block->head) == EMPTY_ARRAY_BYTES && allocator < RECORD_ALLOCATORS
        && families[allocator] == RECORD_FAMILY_NEW_ARRAY;
}

/* Appends one block: the caller has made sure of the order. special: its size goes to big[]. */
static void append(struct indexer *indexer, uint64_t size, uint8_t marks, bool special)
{
    struct graph *graph = indexer->graph;
    if (size >= BIG_SIZE || special) {
        if (graph->n_big == graph->room_big) {
            graph->room_big = graph->room_big ? 2 * graph->room_big : 64;
            graph->big = memory_resize(graph->big, graph->room_big, sizeof *graph->big);
        }
        graph->big[graph->n_big++] = (struct big_block){graph->n, size};
        size = BIG_SIZE;
    }
    graph->size[graph->n] = (uint32_t)size;
    graph->marks[graph->n] = marks;
    graph->n++;
}

/* true: the block lives; counts those that were being changed. */
static bool is_live(struct indexer *indexer, const struct record_block *block)
{
    unsigned state = record_head_state(block->head);
    indexer->busy += state == RECORD_BLOCK_BUSY;
    return state == RECORD_BLOCK_LIVE;
}

static struct extent *new_extent(struct graph *graph, size_t region)
{
    graph->extents = memory_resize(graph->extents, graph->n_extents + 1, sizeof *graph->extents);
    struct extent *extent = &graph->extents[graph->n_extents++];
    *extent = (struct extent){.region = (uint32_t)region, .first = graph->n};
    return extent;
}

static void index_uniform(struct indexer *indexer, size_t index)
{
    struct graph *graph = indexer->graph;
    const struct record_region *region = &graph->records->regions[index];
    const void *records;
    const uint32_t batch = STREAM_MOST / sizeof(struct record_block);
    struct slot_word *words = memory_try((region->slots + 63) / 64, sizeof *words);
    if (!words) {
        indexer->no_memory = true;
        return;
    }
    uint32_t first = graph->n;
    uint64_t room = region->slots == 1 ? region->bytes : region->stride;
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t n = region->slots - done < batch ? region->slots - done : batch;
        records = stream_at(indexer->stream, region->records + (uint64_t)done * region->record_bytes, (size_t)n * region->record_bytes);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t slot = done + i;
            if (slot % 64 == 0)
                words[slot / 64].rank = graph->n - first;
            struct record_block block = region_record(region, records, i);
            if (!is_live(indexer, &block))
                continue;
            uint64_t size = record_head_size(block.head);
            if (size > room - region->user_offset || graph->n == MAX_BLOCKS) {
                indexer->damaged++;
                continue;
            }
            words[slot / 64].live |= 1ull << slot % 64;
            append(indexer, size, marks_of(indexer, &block), may_be_empty_array(&block));
        }
    }
    if (graph->n == first) {
        free(words);
        return;
    }
    struct extent *extent = new_extent(graph, index);
    extent->base = region->base;
    extent->end = region->base + region->bytes;
    extent->stride = region->slots == 1 ? UINT32_MAX : region->stride;
    extent->reciprocal = region->slots == 1 || region->bytes > OFFSET_LIMIT ? 0 : UINT64_MAX / region->stride + 1;
    if (region->slots == 1 && region->bytes > UINT32_MAX)
        extent->stride = 0;     /* one block of more than 4 GiB: placed, at a single offset */
    extent->user_offset = region->user_offset;
    extent->slots = region->slots;
    extent->first = first;
    extent->n = graph->n - first;
    extent->words = words;
    if (!extent->stride) {
        extent->offsets = memory_new(1, sizeof *extent->offsets);
        extent->offsets[0] = region->user_offset;
        extent->words = NULL;
        free(words);
    }
}

/* ---- placed regions ---- */

struct placed {
    uint64_t address, size;
    uint8_t marks;
    bool empty_array;
};

static int by_address(const void *left, const void *right)
{
    const struct placed *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* Sorts by address: least significant digit first, 11 bits at a time, as many digits as `span` has. */
static void sort_placed(struct placed *blocks, struct placed *spare, size_t n, uint64_t base, uint64_t span)
{
    enum { BITS = 11, DIGITS = 1 << BITS };
    if (n < 512 || !spare) {
        qsort(blocks, n, sizeof *blocks, by_address);
        return;
    }
    struct placed *from = blocks, *to = spare;
    for (unsigned shift = 0; shift < 64 && span >> shift; shift += BITS) {
        size_t start[DIGITS] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++)
            start[(from[i].address - base) >> shift & (DIGITS - 1)]++;
        for (size_t d = 0; d < DIGITS; d++) {
            size_t count = start[d];
            start[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[start[(from[i].address - base) >> shift & (DIGITS - 1)]++] = from[i];
        struct placed *swap = from;
        from = to;
        to = swap;
    }
    if (from != blocks)
        memcpy(blocks, from, n * sizeof *blocks);
}

/* The living blocks of a placed region, in address order, without doubles; *count of them. NULL: none, or no memory. */
static struct placed *read_placed(struct indexer *indexer, const struct record_region *region, size_t *count)
{
    const struct record_placed *records;
    const uint32_t batch = STREAM_MOST / sizeof *records;
    size_t room = 0, n = 0, kept = 0;
    struct placed *blocks = NULL;
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t some = region->slots - done < batch ? region->slots - done : batch;
        records = stream_at(indexer->stream, region->records + (uint64_t)done * sizeof *records, some * sizeof *records);
        for (uint32_t i = 0; i < some; i++) {
            const struct record_placed *record = &records[i];
            if (!record->address || !is_live(indexer, &record->block))
                continue;
            uint64_t size = record_head_size(record->block.head), offset = record->address - region->base;
            if (record->address < region->base || offset >= region->bytes || size > region->bytes - offset) {
                indexer->damaged++;
                continue;
            }
            if (n == room)
                blocks = memory_resize(blocks, room = room ? 2 * room : 1024, sizeof *blocks);
            blocks[n++] = (struct placed){record->address, size, marks_of(indexer, &record->block),
                                           may_be_empty_array(&record->block)};
        }
    }
    struct placed *spare = n >= 512 ? memory_try(n, sizeof *spare) : NULL;
    if (n)
        sort_placed(blocks, spare, n, region->base, region->bytes);
    free(spare);
    for (size_t i = 0; i < n; i++) {
        if (kept && blocks[i].address == blocks[kept - 1].address)
            indexer->damaged++;
        else
            blocks[kept++] = blocks[i];
    }
    *count = kept;
    return blocks;
}

/* Extents of blocks in address order; region: NO_REGION: of objects alone. end: nothing else lies before it. */
static void append_placed(struct indexer *indexer, size_t region, const struct placed *blocks, size_t n, uint64_t last, bool mixed)
{
    struct graph *graph = indexer->graph;
    for (size_t i = 0, end; i < n && !indexer->no_memory; i = end) {
        for (end = i + 1; end < n && blocks[end].address - blocks[i].address < OFFSET_LIMIT; end++) {}
        if (end - i > MAX_BLOCKS - graph->n) {
            indexer->damaged += n - i;
            break;
        }
        struct extent *extent = new_extent(graph, region);
        extent->base = blocks[i].address;
        extent->end = end < n ? blocks[end].address : last;
        extent->mixed = mixed;
        extent->offsets = memory_new(end - i, sizeof *extent->offsets);
        extent->n = (uint32_t)(end - i);
        for (size_t k = i; k < end; k++) {
            extent->offsets[k - i] = (uint32_t)(blocks[k].address - blocks[i].address);
            append(indexer, blocks[k].size, blocks[k].marks, blocks[k].empty_array);
        }
    }
}

static void index_placed(struct indexer *indexer, size_t index)
{
    const struct record_region *region = &indexer->graph->records->regions[index];
    size_t n = 0;
    struct placed *blocks = read_placed(indexer, region, &n);
    append_placed(indexer, index, blocks, n, region->base + region->bytes, false);
    free(blocks);
}

/* ---- regions with objects of pools in them ---- */

static struct placed placed_object(struct indexer *indexer, const struct record_object *object)
{
    return (struct placed){object->address, record_head_size(object->block.head), marks_of(indexer, &object->block), false};
}

/* The living blocks of a uniform region. */
static struct placed *read_uniform(struct indexer *indexer, const struct record_region *region, size_t *count)
{
    const void *records;
    const uint32_t batch = STREAM_MOST / sizeof(struct record_block);
    struct placed *blocks = NULL;
    size_t n = 0, room = 0;
    uint64_t most = (region->slots == 1 ? region->bytes : region->stride) - region->user_offset;
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t some = region->slots - done < batch ? region->slots - done : batch;
        records = stream_at(indexer->stream, region->records + (uint64_t)done * region->record_bytes, (size_t)some * region->record_bytes);
        for (uint32_t i = 0; i < some; i++) {
            struct record_block block = region_record(region, records, i);
            uint64_t size = record_head_size(block.head);
            if (!is_live(indexer, &block))
                continue;
            if (size > most) {
                indexer->damaged++;
                continue;
            }
            if (n == room)
                blocks = memory_resize(blocks, room = room ? 2 * room : 1024, sizeof *blocks);
            uint64_t address = region->base + (uint64_t)(done + i) * region->stride + region->user_offset;
            blocks[n++] = (struct placed){address, size, marks_of(indexer, &block), may_be_empty_array(&block)};
        }
    }
    *count = n;
    return blocks;
}

void region_index_mixed(struct indexer *indexer, size_t index, size_t first, size_t objects)
{
    struct graph *graph = indexer->graph;
    const struct record_region *region = &graph->records->regions[index];
    size_t n = 0, kept = 0;
    struct placed *blocks = region->stride ? read_uniform(indexer, region, &n) : read_placed(indexer, region, &n);
    for (size_t i = 0; i < n; i++)
        if (!graph_is_super(graph, blocks[i].address))
            blocks[kept++] = blocks[i];
    blocks = memory_resize(blocks, kept + objects, sizeof *blocks);
    for (size_t i = 0; i < objects; i++)
        blocks[kept++] = placed_object(indexer, graph->objects[first + i]);
    qsort(blocks, kept, sizeof *blocks, by_address);
    append_placed(indexer, index, blocks, kept, region->base + region->bytes, true);
    free(blocks);
}

void region_index_outside(struct indexer *indexer, size_t *next, uint64_t before)
{
    struct graph *graph = indexer->graph;
    size_t n = 0;
    while (*next + n < graph->n_objects && graph->objects[*next + n]->address < before)
        n++;
    if (!n)
        return;
    struct placed *blocks = memory_new(n, sizeof *blocks);
    for (size_t i = 0; i < n; i++)
        blocks[i] = placed_object(indexer, graph->objects[*next + i]);
    append_placed(indexer, NO_REGION, blocks, n, blocks[n - 1].address + (blocks[n - 1].size ? blocks[n - 1].size : 1), true);
    free(blocks);
    *next += n;
}

void region_index(struct indexer *indexer, size_t index)
{
    if (indexer->graph->records->regions[index].stride)
        index_uniform(indexer, index);
    else
        index_placed(indexer, index);
}
