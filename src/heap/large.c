/* Large: blocks from the buddy.
 *
 *    page run ─▶ arena = placed region ─▶ buddy over units ─▶ block of 2^n units
 *                                           │
 *                                           └─ unit u has entry u {address, tag} and asked[u]; in use where a block starts
 *
 * 1. A block is placed at its first unit, or, when the alignment asked for does not fall there because of the phase, as far past it
 *    as needed; the block is then chosen large enough for both.
 * 2. Because the entry of a block is that of its first unit, a look-up needs no search: the buddy's state bitmap gives the block
 *    in use around an address without a lock. A freed block's entry stays until a block starts at the same unit again.
 *
 * Limits: sizes are powers of two of units; one lock for all arenas. */
#include "heap/large.h"

#include "heap/bits.h"
#include "heap/port.h"

struct large_arena {
    struct heap_region region;          /* first: the page map's value */
    struct buddy buddy;
    struct page_run run;
    uint32_t *asked;                    /* per unit: bytes asked for, of the block that starts there */
    void *book, *tags;
    uint64_t *stale;                    /* bit per unit: handed out before */
    uint32_t blocks;                    /* living */
    struct large_arena *next, *prev;
};

void large_init(struct large *large, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, const struct heap_config *config,
                size_t arena_bytes, unsigned unit_shift, uint32_t rank)
{
    large->hooks = hooks;
    large->meta = meta;
    large->pages = pages;
    large->tag_bytes = config->tag_bytes;
    large->phase = config->phase;
    large->arena_bytes = arena_bytes;
    large->unit_shift = unit_shift;
    large->lock.rank = rank;
    pool_init(&large->arenas, &meta->objects, sizeof(struct large_arena), 64, offsetof(struct large_arena, next));
}

static struct large_arena *arena_of_buddy(struct buddy *buddy) { return (struct large_arena *)((char *)buddy - offsetof(struct large_arena, buddy)); }

static char *entry_of(const struct large *large, const struct heap_region *region, uint32_t unit)
{
    return (char *)region->tags + unit * (8 + large->tag_bytes);
}

static char *entry_address(const struct large *large, const struct heap_region *region, uint32_t unit)
{
    return (char *)LOAD(*(uintptr_t *)(void *)entry_of(large, region, unit));
}

/* ---- arenas ---- */

static bool open_arena(struct large *large, size_t bytes)
{
    unsigned top = log2_floor(bytes) - large->unit_shift;
    size_t units = (size_t)1 << top, book = buddy_book_bytes(top), bits = bit_words(units) * 8;
    struct large_arena *arena = meta_take(large->meta, &large->arenas);
    if (arena == NULL)
        return false;
    if (!pages_take(large->pages, bytes, &arena->run))
        goto give_arena;
    arena->book = meta_alloc(large->meta, book + bits + units * sizeof *arena->asked);
    if (arena->book == NULL)
        goto give_run;
    arena->tags = meta_alloc(large->meta, units * (8 + large->tag_bytes));
    if (arena->tags == NULL)
        goto free_book;
    STORE(arena->region.version, arena->region.version | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    buddy_init(&arena->buddy, arena->run.start, large->unit_shift, top, arena->book);
    arena->stale = (uint64_t *)((char *)arena->book + book);
    arena->asked = (uint32_t *)((char *)arena->stale + bits);
    arena->region.base = arena->run.start;
    arena->region.bytes = bytes;
    arena->region.tags = arena->tags;
    arena->region.stride = 0;
    arena->region.slots = 0;
    arena->region.engine = HEAP_BUDDY;
    arena->blocks = 0;
    if (!pages_own(large->pages, arena->run.start, bytes, &arena->region))
        goto free_tags;
    if (!port_region_opened(large->hooks, &arena->region))
        goto disown;
    arena->prev = NULL;
    arena->next = large->first;
    if (large->first != NULL)
        large->first->prev = arena;
    large->first = arena;
    buddy_set_add(&large->buddies, &arena->buddy);
    large->whole++;
    large->mapped += bytes;
    return true;

disown:
    pages_disown(large->pages, arena->run.start, bytes);
free_tags:
    meta_free(large->meta, arena->tags);
free_book:
    meta_free(large->meta, arena->book);
give_run:
    pages_give(large->pages, &arena->run);
give_arena:
    meta_give(large->meta, &large->arenas, arena);
    return false;
}

/* An arena that holds `least` bytes; the usual size first, less when memory is short. */
static bool add_arena(struct large *large, size_t least)
{
    size_t bytes = large->arena_bytes;
    while (!open_arena(large, bytes)) {
        bytes /= 2;
        if (bytes < least || bytes < large->pages->page_size)
            return false;
    }
    return true;
}

static void close_arena(struct large *large, struct large_arena *arena)
{
    if (arena->prev != NULL)
        arena->prev->next = arena->next;
    else
        large->first = arena->next;
    if (arena->next != NULL)
        arena->next->prev = arena->prev;
    buddy_set_remove(&large->buddies, &arena->buddy);
    large->whole--;
    large->mapped -= arena->run.bytes;
    port_region_closed(large->hooks, &arena->region);
    pages_disown(large->pages, arena->run.start, arena->run.bytes);
    pages_give(large->pages, &arena->run);
    meta_free(large->meta, arena->tags);
    meta_free(large->meta, arena->book);
    meta_give(large->meta, &large->arenas, arena);
}

/* ---- blocks ---- */

static bool mark_stale(struct large_arena *arena, uint32_t unit, uint32_t units)
{
    bool stale = false;
    for (uint32_t i = unit; i < unit + units; i++) {
        if (units - (i - unit) >= 64 && i % 64 == 0) {
            stale |= arena->stale[i / 64] != 0;
            arena->stale[i / 64] = ~0ull;
            i += 63;
        } else {
            stale |= bit_get(arena->stale, i);
            bit_set(arena->stale, i);
        }
    }
    return stale;
}

bool large_alloc(struct large *large, size_t room, size_t align, struct heap_block *block)
{
    size_t unit = (size_t)1 << large->unit_shift, gap = 0, need = room;
    /* Blocks lie at multiples of their own size, so that the gap is known beforehand, except that an arena may itself be
     * aligned to no more than a page: then the whole alignment is added. */
    size_t given = need < unit ? unit : (size_t)1 << log2_ceil(need);
    if (align > GRAIN)
        need += align <= given && align <= large->pages->page_size ? align_gap(0, large->phase, align) : align;
    if (need < unit)
        need = unit;
    unsigned order = log2_ceil(need) - large->unit_shift;
    size_t bytes = unit << order;
    port_lock(large->hooks, &large->lock);
    struct buddy *buddy = NULL;
    char *start = buddy_set_alloc(&large->buddies, order, &buddy);
    if (start == NULL && add_arena(large, bytes))
        start = buddy_set_alloc(&large->buddies, order, &buddy);
    if (start != NULL) {
        struct large_arena *arena = arena_of_buddy(buddy);
        uint32_t first = (uint32_t)((size_t)(start - buddy->base) >> large->unit_shift);
        gap = align_gap((uintptr_t)start, large->phase, align > GRAIN ? align : GRAIN);
        large->whole -= arena->blocks++ == 0;
        large->requested += room;
        large->occupied += bytes;
        large->blocks++;
        arena->asked[first] = (uint32_t)room;
        block->start = start + gap;
        block->room = bytes - gap;
        block->tag = entry_of(large, &arena->region, first) + 8;
        block->region = &arena->region;
        block->slot = first;
        block->used = true;
        block->zeroed = !mark_stale(arena, first, 1u << order) && arena->run.zeroed;
        STORE(*(uintptr_t *)(void *)entry_of(large, &arena->region, first), (uintptr_t)block->start + large->phase);
        if (first >= arena->region.slots)
            STORE_RELEASE(arena->region.slots, first + 1);
    }
    port_unlock(large->hooks, &large->lock);
    return start != NULL;
}

void large_free(struct large *large, const struct heap_block *block)
{
    struct large_arena *arena = (struct large_arena *)block->region;
    uint32_t unit = block->slot;
    port_lock(large->hooks, &large->lock);
    int order = entry_address(large, &arena->region, unit) == block->start + large->phase
                    ? buddy_set_free(&large->buddies, &arena->buddy, arena->buddy.base + ((size_t)unit << large->unit_shift)) : -1;
    if (order >= 0) {
        large->requested -= arena->asked[unit];
        large->occupied -= (size_t)1 << ((unsigned)order + large->unit_shift);
        large->blocks--;
        if (--arena->blocks == 0 && ++large->whole > 1)
            close_arena(large, arena);
    }
    port_unlock(large->hooks, &large->lock);
}

bool large_resize(struct large *large, struct heap_block *block, size_t room)
{
    struct large_arena *arena = (struct large_arena *)block->region;
    bool done = false;
    port_lock(large->hooks, &large->lock);
    char *start;
    unsigned order;
    if (buddy_find(&arena->buddy, block->start, &start, &order)) {
        size_t have = (size_t)(start + ((size_t)1 << (order + large->unit_shift)) - block->start);
        if (room <= have) {
            large->requested += room - arena->asked[block->slot];
            arena->asked[block->slot] = (uint32_t)room;
            block->room = have;
            done = true;
        }
    }
    port_unlock(large->hooks, &large->lock);
    return done;
}

/* The block that began last at or before the address, in a stretch where none is in use: its unit is one of those that the
 * address's unit has when low bits are dropped. */
static bool find_remembered(const struct large *large, const struct heap_region *region, const struct buddy_view *view, const char *address,
                            struct heap_block *block)
{
    uint32_t unit = (uint32_t)((size_t)(address - view->base) >> view->unit_shift);
    for (unsigned order = 0; order <= view->top; order++) {
        uint32_t first = unit >> order << order;
        char *user = entry_address(large, region, first);
        if (user == NULL || user - large->phase > address)
            continue;
        block->start = user - large->phase;
        block->room = (size_t)(view->base + ((size_t)(first + (1u << order)) << view->unit_shift) - block->start);
        block->slot = first;
        block->used = false;
        return true;
    }
    return false;
}

bool large_find(const struct large *large, struct heap_region *region, const char *address, struct heap_block *block)
{
    const struct large_arena *arena = (const struct large_arena *)region;
    uint32_t version = LOAD_ACQUIRE(region->version);
    struct buddy_view view = {LOAD(arena->buddy.base), large->unit_shift, LOAD(arena->buddy.top), LOAD(arena->buddy.used)};
    size_t bytes = LOAD(region->bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    /* The bitmap's address and size must be of one region before it is read; its memory is never unmapped. */
    if (version & 1 || LOAD(region->version) != version || address < view.base || (size_t)(address - view.base) >= bytes)
        return false;
    char *start;
    unsigned order;
    bool found;
    if (buddy_find_in(&view, address, &start, &order)) {
        uint32_t first = (uint32_t)((size_t)(start - view.base) >> view.unit_shift);
        block->start = entry_address(large, region, first) - large->phase;
        block->room = (size_t)(start + ((size_t)1 << (order + view.unit_shift)) - block->start);
        block->slot = first;
        block->used = true;
        found = block->start <= address;        /* else it lies in the gap in front */
    } else {
        found = find_remembered(large, region, &view, address, block);
    }
    if (found) {
        block->tag = entry_of(large, region, block->slot) + 8;
        block->region = region;
        block->zeroed = false;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return found && LOAD(region->version) == version;
}

/* ---- figures, giving back, checks ---- */

void large_stats(struct large *large, struct heap_engine_stats *stats)
{
    port_lock(large->hooks, &large->lock);
    stats->mapped += large->mapped;
    stats->requested += large->requested;
    stats->occupied += large->occupied;
    stats->free_bytes += large->mapped - large->occupied;
    stats->blocks += large->blocks;
    for (int order = BUDDY_ORDERS - 1; order >= 0; order--) {
        if (large->buddies.by_largest[order + 1] == NULL)
            continue;
        size_t largest = (size_t)1 << ((unsigned)order + large->unit_shift);
        if (largest > stats->largest_free)
            stats->largest_free = largest;
        break;
    }
    port_unlock(large->hooks, &large->lock);
}

struct trimming {
    const struct large *large;
    struct large_arena *arena;
    size_t given;
};

static void trim_block(void *ctx, char *start, size_t bytes)
{
    struct trimming *trimming = ctx;
    const struct large *large = trimming->large;
    uint32_t unit = (uint32_t)((size_t)(start - trimming->arena->buddy.base) >> large->unit_shift);
    if (bytes < large->pages->page_size)
        return;
    bool stale = false;
    for (uint32_t i = unit; i < unit + (bytes >> large->unit_shift) && !stale; i++)
        stale = bit_get(trimming->arena->stale, i);
    if (!stale)
        return;
    large->hooks->discard(large->hooks->ctx, start, bytes);
    trimming->given += bytes;
}

size_t large_trim(struct large *large)
{
    struct trimming trimming = {.large = large};
    port_lock(large->hooks, &large->lock);
    for (struct large_arena *arena = large->first, *next; arena != NULL; arena = next) {
        next = arena->next;
        trimming.arena = arena;
        if (arena->blocks == 0)
            close_arena(large, arena);
        else if (large->hooks->discard != NULL)
            buddy_each_free(&arena->buddy, trim_block, &trimming);
    }
    port_unlock(large->hooks, &large->lock);
    return trimming.given;
}

void large_consistent(struct large *large, struct check *check)
{
    size_t requested = 0, occupied = 0, blocks = 0, mapped = 0;
    unsigned whole = 0;
    for (struct large_arena *arena = large->first; arena != NULL; arena = arena->next) {
        uint32_t units = 1u << arena->buddy.top, own = 0;
        for (uint32_t unit = 0; unit < units;) {
            char *at = arena->buddy.base + ((size_t)unit << large->unit_shift), *start;
            unsigned order;
            if (!buddy_find(&arena->buddy, at, &start, &order)) {
                unit++;
                continue;
            }
            char *user = entry_address(large, &arena->region, unit) - large->phase;
            size_t bytes = (size_t)1 << (order + large->unit_shift);
            check_that(check, user >= start && user + arena->asked[unit] <= start + bytes, "large: block reaches out of its units, unit", unit);
            check_that(check, unit < arena->region.slots, "large: block's entry is past the slots, unit", unit);
            requested += arena->asked[unit];
            occupied += bytes;
            own++;
            unit += 1u << order;
        }
        check_equal(check, "large", "blocks of the arena", arena->blocks, "counted", own);
        check_equal(check, "large", "owner of the pages", (uintptr_t)pages_owner(large->pages, arena->run.start), "arena", (uintptr_t)&arena->region);
        blocks += own;
        mapped += arena->run.bytes;
        whole += own == 0;
    }
    check_equal(check, "large", "requested", large->requested, "counted", requested);
    check_equal(check, "large", "occupied", large->occupied, "counted", occupied);
    check_equal(check, "large", "blocks", large->blocks, "counted", blocks);
    check_equal(check, "large", "mapped", large->mapped, "counted", mapped);
    check_equal(check, "large", "whole arenas", large->whole, "counted", whole);
    buddy_set_consistent(&large->buddies, check);
}
