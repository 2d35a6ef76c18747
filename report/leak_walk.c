/* From a block's number to its address, and stepping from one to the next; blocks whose size needs a closer look. */
#include "leak_graph.h"

uint64_t graph_big_size(const struct graph *graph, uint32_t block)
{
    size_t low = 0, high = graph->n_big;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->big[middle].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->n_big && graph->big[low].block == block ? graph->big[low].size : 0;
}

uint32_t graph_find_big(const struct graph *graph, uint32_t block, uint64_t within, uint64_t *offset)
{
    uint64_t size = graph_big_size(graph, block), count;
    if (within < size) {
        *offset = within;
        return block;
    }
    if (size != EMPTY_ARRAY_BYTES || within != size
        || !image_read_all(graph->records->image, graph_address(graph, block), &count, sizeof count) || count != 0)
        return NO_BLOCK;
    *offset = 0;
    return block;
}

static const struct extent *extent_of(const struct graph *graph, uint32_t block)
{
    size_t low = 0, high = graph->n_extents;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (graph->extents[middle].first <= block)
            low = middle;
        else
            high = middle;
    }
    return &graph->extents[low];
}

/* Points the walk at the word of a uniform extent with its block number `rank`, that one's bit the lowest left. */
static void walk_to_rank(struct walk *walk, uint32_t rank)
{
    const struct extent *extent = walk->extent;
    size_t low = 0, high = (extent->slots + 63) / 64;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (extent->words[middle].rank <= rank)
            low = middle;
        else
            high = middle;
    }
    walk->word = low;
    walk->left = extent->words[low].live;
    for (uint32_t skip = rank - extent->words[low].rank; skip; skip--)
        walk->left &= walk->left - 1;
}

void walk_start(struct walk *walk, const struct graph *graph, uint32_t block)
{
    *walk = (struct walk){.graph = graph, .block = block - 1};
    if (block >= graph->n)
        return;
    walk->extent = extent_of(graph, block);
    if (walk->extent->words)
        walk_to_rank(walk, block - walk->extent->first);
}

bool walk_next(struct walk *walk)
{
    const struct graph *graph = walk->graph;
    if (!walk->extent)
        return false;
    uint32_t block = ++walk->block;
    if (block >= graph->n)
        return false;
    const struct extent *extent = walk->extent;
    if (block - extent->first >= extent->n) {
        extent = ++walk->extent;
        walk->word = 0;
        walk->left = extent->words ? extent->words[0].live : 0;
    }
    if (!extent->words) {
        walk->address = extent->base + extent->offsets[block - extent->first];
        return true;
    }
    while (!walk->left)
        walk->left = extent->words[++walk->word].live;
    uint64_t slot = walk->word * 64 + (unsigned)__builtin_ctzll(walk->left);
    walk->left &= walk->left - 1;
    walk->address = extent->base + slot * extent->stride + extent->user_offset;
    return true;
}

uint64_t graph_address(const struct graph *graph, uint32_t block)
{
    struct walk walk;
    walk_start(&walk, graph, block);
    return walk_next(&walk) ? walk.address : 0;
}
