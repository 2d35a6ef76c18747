/* Making a heap: the configuration with its defaults and bounds, and the size classes. */
#include "heap/internal.h"
#include "heap/port.h"

#define ARENA_DEFAULT ((size_t)32 << 20)
#define ARENA_MOST ((size_t)8 << 30)
#define ARENA_PAGES_LEAST 16u
#define SLAB_DEFAULT 2048u
#define FREELIST_DEFAULT ((size_t)128 << 10)
#define BUDDY_DEFAULT ((size_t)1 << 20)
#define ENGINE_ARENA ((size_t)4 << 20)      /* of free list and buddy */
#define TAG_MOST 4096u

/* Smallest pieces of the free list and the buddy: small when they serve every size, else so large that the arrays for entries stay
 * small; only unusual alignments bring smaller requests to them then. */
#define FREELIST_LEAST_ALONE 32u
#define FREELIST_LEAST 512u
#define BUDDY_UNIT_ALONE_SHIFT 6u

_Static_assert(MAGAZINE_CLASSES >= 2 * (16 + 8 * 7), "a size class for each step up to SLAB_STRIDE_MAX needs a place in struct magazines");
_Static_assert(MAGAZINE_CLASSES <= 255, "class_of holds a class in a byte, and 255 is none");

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Fills in what was left to the default. false: out of range. */
static bool complete(struct heap_config *config)
{
    if (!is_power_of_two(config->page_size) || config->page_size < 4096 || config->page_size > (size_t)1 << 20)
        return false;
    if (config->tag_bytes % 8 != 0 || config->tag_bytes > TAG_MOST || config->phase % GRAIN != 0 || config->phase >= config->page_size)
        return false;
    if (config->slab_tag_bytes == 0)
        config->slab_tag_bytes = config->tag_bytes;
    if (config->slab_tag_bytes % 8 != 0 || config->slab_tag_bytes > config->tag_bytes)
        return false;
    if ((unsigned)config->engine >= HEAP_ENGINES || (unsigned)config->fit > HEAP_FIT_WORST)
        return false;
    if (config->arena_bytes == 0)
        config->arena_bytes = ARENA_DEFAULT;
    if (!is_power_of_two(config->arena_bytes) || config->arena_bytes < ARENA_PAGES_LEAST * config->page_size || config->arena_bytes > ARENA_MOST)
        return false;

    enum heap_engine engine = config->engine;
    bool all = engine == HEAP_AUTO;
    size_t quarter = config->arena_bytes / 4;
    if (config->slab_max == 0)
        config->slab_max = all ? SLAB_DEFAULT : SLAB_STRIDE_MAX;
    if (config->freelist_max == 0)
        config->freelist_max = all ? FREELIST_DEFAULT : BUDDY_DEFAULT;
    if (config->buddy_max == 0)
        config->buddy_max = BUDDY_DEFAULT;
    config->slab_max = all || engine == HEAP_SLAB ? smaller(round_up(smaller(config->slab_max, SLAB_STRIDE_MAX), GRAIN), quarter / 4) : 0;
    config->freelist_max = all || engine == HEAP_FREELIST ? smaller(config->freelist_max, quarter) : 0;
    config->buddy_max = all || engine == HEAP_BUDDY ? smaller(config->buddy_max, quarter) : 0;
    return true;
}

static size_t engine_arena(const struct heap_config *config, size_t room_max)
{
    size_t bytes = ENGINE_ARENA;
    while (bytes / 4 < room_max)
        bytes *= 2;
    return smaller(bytes, config->arena_bytes);
}

/* Size classes: 16, 32, … 256, then 8 steps to each doubling; and the same again for the set apart. */
static void make_classes(struct heap *heap)
{
    size_t stride = 0;
    unsigned class = 0, grain = 0, sets = heap->config.apart ? 2 : 1;
    while (stride < heap->config.slab_max) {
        stride += stride < 256 ? GRAIN : (size_t)1 << (log2_floor(stride) - 3);
        struct depot *depot = &heap->depots[class];
        slab_cache_init(&depot->cache, &heap->slabs, (uint32_t)stride, class);
        magazine_depot_init(depot, &heap->class_locks[class % CLASS_LOCKS].lock);
        for (; grain <= stride / GRAIN; grain++)
            heap->class_of[grain] = (uint8_t)class;
        size_t align = slab_align((uint32_t)stride, heap->config.page_size);
        if (align > heap->slab_align_max)
            heap->slab_align_max = align;
        class++;
    }
    heap->classes = class;
    for (; class < sets * heap->classes; class++) {
        struct depot *depot = &heap->depots[class];
        slab_cache_init(&depot->cache, &heap->slabs, heap->depots[class - heap->classes].cache.stride, class);
        magazine_depot_init(depot, &heap->class_locks[class % CLASS_LOCKS].lock);
    }
    heap->depots_used = class;
}

struct heap *heap_create(const struct heap_config *wanted, const struct heap_hooks *hooks)
{
    struct heap_config config;
    copy_bytes(&config, wanted, sizeof config);
    if (!complete(&config) || hooks->alloc_pages == NULL || hooks->free_pages == NULL || hooks->lock == NULL || hooks->unlock == NULL)
        return NULL;
    size_t own_bytes = round_up(sizeof(struct heap), config.page_size);
    struct heap_hooks meta_hooks;
    copy_bytes(&meta_hooks, hooks, sizeof meta_hooks);
    if (hooks->alloc_meta != NULL)
        meta_hooks.alloc_pages = hooks->alloc_meta;
    struct heap *heap = port_alloc_kept(&meta_hooks, own_bytes, config.page_size);
    if (heap == NULL)
        return NULL;
    copy_bytes(&heap->hooks, hooks, sizeof heap->hooks);
    copy_bytes(&heap->meta_hooks, &meta_hooks, sizeof meta_hooks);
    copy_bytes(&heap->config, &config, sizeof config);
    heap->own_bytes = port_kept_bytes(&meta_hooks, own_bytes, config.page_size);
    for (unsigned i = 0; i < CLASS_LOCKS; i++)
        heap->class_locks[i].lock.rank = RANK_CLASSES + i;
    meta_init(&heap->meta, &heap->meta_hooks, config.page_size, RANK_META);
    pages_init(&heap->pages, &heap->hooks, &heap->meta, config.page_size, config.arena_bytes, RANK_PAGES);
    slab_source_init(&heap->slabs, &heap->hooks, &heap->meta, &heap->pages, config.slab_tag_bytes, config.phase, config.arena_bytes / 4);
    magazine_source_init(&heap->magazines, &heap->hooks, &heap->meta);
    make_classes(heap);
    medium_init(&heap->medium, &heap->hooks, &heap->meta, &heap->pages, &config, engine_arena(&config, config.freelist_max),
                config.engine == HEAP_FREELIST ? FREELIST_LEAST_ALONE : FREELIST_LEAST, RANK_MEDIUM);
    large_init(&heap->large, &heap->hooks, &heap->meta, &heap->pages, &config, engine_arena(&config, config.buddy_max),
               config.engine == HEAP_BUDDY ? BUDDY_UNIT_ALONE_SHIFT : log2_floor(config.page_size), RANK_LARGE);
    huge_init(&heap->huge, &heap->hooks, &heap->meta, &heap->pages, &config, RANK_HUGE);
    return heap;
}
