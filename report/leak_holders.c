/* Who points to a block: roots and other blocks, word by word.
 *
 * The graph knows which block points to which, but not from where; so the memory of those that do is read again. Roots are few
 * (some megabytes in most programs) and are read again whole. */
#include <string.h>

#include "leak_paths.h"

bool paths_counts(const struct graph *graph, uint64_t word, uint32_t block, uint64_t offset, enum pointer_strength strength)
{
    if (offset == 0 || strength == POINTER_ANY || (graph->marks[block] & MARK_LOADER_TLS))
        return true;
    return strength == POINTER_EXCUSED && heuristic_holds(graph, word, block, offset);
}

/* ---- where a word stands ---- */

static unsigned module_at(const struct records *records, uint64_t address)
{
    for (size_t i = 1; i < records->n_modules; i++) {
        const struct record_module *module = &records->modules[i];
        if (!module->unloaded && address >= module->start && address < module->end)
            return (unsigned)i;
    }
    return 0;
}

static void place_in_root(const struct records *records, const struct root *root, uint64_t at, uint64_t word, struct holder *holder)
{
    static const enum holder_kind kinds[] = {
        [ROOT_MEMORY] = HOLDER_MEMORY, [ROOT_TLS] = HOLDER_TLS, [ROOT_REGISTERED] = HOLDER_REGISTERED, [ROOT_STACK] = HOLDER_STACK,
        [ROOT_CONTEXT] = HOLDER_CONTEXT, [ROOT_STACK_BLOCK] = HOLDER_RUNNING, [ROOT_REGISTERS] = HOLDER_REGISTER,
    };
    *holder = (struct holder){.kind = kinds[root->kind], .word = word, .thread = root->thread};
    if (root->kind == ROOT_REGISTERS)
        holder->reg = (unsigned)at;
    if (root->kind == ROOT_REGISTERS || root->kind == ROOT_STACK_BLOCK)
        return;
    const struct image_mapping *mapping = image_mapping_at(records->image, at);
    holder->address = at;
    holder->mapping = mapping ? mapping->path : NULL;
    holder->mapping_start = mapping ? mapping->start : 0;
    if (holder->kind == HOLDER_MEMORY)
        holder->module = module_at(records, at);
}

static void place_in_block(struct paths *paths, uint32_t block, uint64_t at, uint64_t word, struct holder *holder)
{
    *holder = (struct holder){.kind = HOLDER_BLOCK, .address = at, .word = word};
    paths_describe(paths, block, &holder->block);
}

/* ---- collecting ---- */

struct collection {
    struct paths *paths;
    uint32_t target;
    enum pointer_strength strength;
    uint32_t source;            /* the block that is read; NO_BLOCK: a root */
    struct holder *list;
    size_t n, room;
    uint64_t count;
};

static void collect(struct collection *collection, const struct root *root, uint64_t at, uint64_t word)
{
    struct graph *graph = &collection->paths->graph;
    uint64_t offset;
    if (graph_find(graph, word, &offset) != collection->target
        || !paths_counts(graph, word, collection->target, offset, collection->strength))
        return;
    collection->count++;
    if (collection->n == collection->room)
        return;
    struct holder *holder = &collection->list[collection->n++];
    if (root)
        place_in_root(graph->records, root, at, word, holder);
    else
        place_in_block(collection->paths, collection->source, at, word, holder);
}

static void from_root(void *ctx, const struct root *root, uint64_t at, uint64_t word)
{
    struct collection *collection = ctx;
    if (collection->n < collection->room || collection->strength == POINTER_ANY)
        collect(collection, root, at, word);
}

static void from_block(void *ctx, uint64_t at, uint64_t word)
{
    collect(ctx, NULL, at, word);
}

static void collect_block(struct collection *collection, uint32_t source)
{
    struct graph *graph = &collection->paths->graph;
    collection->source = source;
    scan_range(graph, graph_address(graph, source), graph_size(graph, source), from_block, collection);
}

/* The words within the tool's own blocks and those kept by the program's wish count as well: they hold. */
static void collect_all(struct collection *collection)
{
    struct graph *graph = &collection->paths->graph;
    graph_visit_roots(graph, ROOT_MEMORY, ROOT_REGISTERS, from_root, collection);
    for (uint32_t source = 0; source < graph->n; source++) {
        const uint32_t *edges;
        uint32_t n = source == collection->target ? 0 : graph_edges(graph, source, &edges);
        for (uint32_t k = 0; k < n; k++) {
            if ((edges[k] & ~EDGE_INTERIOR) != collection->target)
                continue;
            collect_block(collection, source);
            break;
        }
    }
}

bool paths_first_word(struct paths *paths, uint32_t from, uint32_t to, enum pointer_strength strength, struct holder *holder)
{
    /* A pointer to the start is what a reader expects; only where there is none, another one that counts. */
    for (enum pointer_strength now = POINTER_START; now <= strength; now++) {
        struct collection collection = {paths, to, now, from, holder, 0, 1, 0};
        if (from == NO_BLOCK)
            graph_visit_roots(&paths->graph, ROOT_MEMORY, ROOT_REGISTERS, from_root, &collection);
        else
            collect_block(&collection, from);
        if (collection.n)
            return true;
    }
    return false;
}

size_t paths_holders(struct paths *paths, uint64_t address, struct holder *holders, size_t room, uint64_t *count)
{
    uint64_t offset;
    struct collection collection = {paths, paths->graph.n ? graph_find(&paths->graph, address, &offset) : NO_BLOCK, POINTER_ANY, NO_BLOCK, holders, 0, room, 0};
    if (collection.target != NO_BLOCK)
        collect_all(&collection);
    *count = collection.count;
    return collection.n;
}

const char *path_register_name(unsigned reg)
{
#if defined(__aarch64__)
    static const char *const names[] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                                        "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28",
                                        "x29", "x30", "sp", "pc"};
#else
    static const char *const names[] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
                                        "rcx", "rsp", "rip"};
#endif
    return reg < sizeof names / sizeof *names ? names[reg] : "a register";
}
