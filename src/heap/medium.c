/* Medium: blocks from the free list.
 *
 *    page run ─▶ arena = placed region ─▶ segments (freelist.h) ─▶ entry {address, tag} per block
 *
 * 1. Allocation asks the free list; when nothing fits, an arena is added and asked again. The block's segment points to its
 *    entry, the entry to its segment.
 * 2. Freeing gives the segment back and lets the entry wait with its history; an arena with nothing in use goes back when there is
 *    another one.
 * 3. Look-up of a living block takes no lock (freelist_look).
 * 4. In a free stretch the block that was there is looked for under the lock: each KiB remembers the entry of the block freed last
 *    that began in it, which holds as long as that entry was not used again. The search goes back REMEMBERED_CELLS at most.
 *
 * Limits: one lock for all arenas. Of several small blocks freed in one KiB only the last is remembered. */
#include "heap/medium.h"

#include "heap/bits.h"
#include "heap/entries.h"
#include "heap/port.h"

#define NODE_CHUNK ((size_t)128 << 10)
#define REMEMBERED_CELLS 64u

struct medium_arena {
    struct heap_region region;          /* first: the page map's value */
    struct freelist_arena list;
    struct entries entries;
    struct page_run run;
    void *book;
    uint32_t *freed;                    /* per cell of FREELIST_CELL_SHIFT: 1 + entry of the block freed last that began there; 0: none */
    uint32_t blocks;                    /* living */
    struct medium_arena *next, *prev;
};

void medium_init(struct medium *medium, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, const struct heap_config *config,
                 size_t arena_bytes, size_t least, uint32_t rank)
{
    medium->hooks = hooks;
    medium->meta = meta;
    medium->pages = pages;
    medium->tag_bytes = config->tag_bytes;
    medium->phase = config->phase;
    medium->arena_bytes = arena_bytes;
    medium->least = least;
    medium->lock.rank = rank;
    watermark_init(&medium->nodes, meta->hooks, config->page_size, round_up(NODE_CHUNK, config->page_size));
    freelist_pool(&medium->segments, &medium->nodes);
    freelist_init(&medium->list, config->fit, &medium->segments);
    pool_init(&medium->arenas, &meta->objects, sizeof(struct medium_arena), 64, offsetof(struct medium_arena, next));
}

static struct medium_arena *arena_of(struct heap_region *region) { return (struct medium_arena *)region; }
static struct medium_arena *arena_of_segment(struct segment *segment)
{
    return (struct medium_arena *)((char *)segment->arena - offsetof(struct medium_arena, list));
}

/* ---- arenas ---- */

static bool open_arena(struct medium *medium, size_t bytes)
{
    struct medium_arena *arena = meta_take(medium->meta, &medium->arenas);
    if (arena == NULL)
        return false;
    STORE(arena->region.version, arena->region.version | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (!pages_take(medium->pages, bytes, &arena->run))
        goto give_arena;
    size_t book = freelist_book_bytes(bytes), cells = (bytes >> FREELIST_CELL_SHIFT) + 1;
    arena->book = meta_alloc(medium->meta, book + cells * sizeof *arena->freed);
    if (arena->book == NULL)
        goto give_run;
    if (!entries_open(&arena->entries, &arena->region, medium->meta, (uint32_t)(bytes / medium->least), medium->tag_bytes))
        goto free_book;
    arena->freed = (uint32_t *)(void *)((char *)arena->book + book);
    arena->region.base = arena->run.start;
    arena->region.bytes = bytes;
    arena->region.stride = 0;
    arena->region.engine = HEAP_FREELIST;
    if (!freelist_add(&medium->list, &arena->list, arena->run.start, bytes, arena->book, arena->run.zeroed))
        goto close_entries;
    if (!pages_own(medium->pages, arena->run.start, bytes, &arena->region))
        goto remove_list;
    if (!port_region_opened(medium->hooks, &arena->region))
        goto disown;
    arena->blocks = 0;
    arena->prev = NULL;
    arena->next = medium->first;
    if (medium->first != NULL)
        medium->first->prev = arena;
    medium->first = arena;
    medium->whole++;
    return true;

disown:
    pages_disown(medium->pages, arena->run.start, bytes);
remove_list:
    freelist_remove(&medium->list, &arena->list);
close_entries:
    entries_close(&arena->entries, medium->meta);
free_book:
    meta_free(medium->meta, arena->book);
give_run:
    pages_give(medium->pages, &arena->run);
give_arena:
    meta_give(medium->meta, &medium->arenas, arena);
    return false;
}

/* An arena that holds `least` bytes; the usual size first, less when memory is short. */
static bool add_arena(struct medium *medium, size_t least)
{
    size_t bytes = medium->arena_bytes;
    while (!open_arena(medium, bytes)) {
        bytes /= 2;
        if (bytes < least || bytes < medium->pages->page_size)
            return false;
    }
    return true;
}

static void close_arena(struct medium *medium, struct medium_arena *arena)
{
    if (arena->prev != NULL)
        arena->prev->next = arena->next;
    else
        medium->first = arena->next;
    if (arena->next != NULL)
        arena->next->prev = arena->prev;
    medium->whole--;
    port_region_closed(medium->hooks, &arena->region);
    pages_disown(medium->pages, arena->run.start, arena->run.bytes);
    freelist_remove(&medium->list, &arena->list);
    pages_give(medium->pages, &arena->run);
    entries_close(&arena->entries, medium->meta);
    meta_free(medium->meta, arena->book);
    meta_give(medium->meta, &medium->arenas, arena);
}

/* ---- blocks ---- */

static void fill_block(struct medium_arena *arena, struct segment *segment, struct heap_block *block)
{
    block->start = segment->start;
    block->room = segment->bytes;
    block->tag = entry_tag(&arena->entries, segment->slot);
    block->region = &arena->region;
    block->slot = segment->slot;
    block->used = true;
}

bool medium_alloc(struct medium *medium, size_t room, size_t align, struct heap_block *block)
{
    size_t bytes = room < medium->least ? medium->least : room;
    bool done = false;
    port_lock(medium->hooks, &medium->lock);
    struct segment *segment = freelist_alloc(&medium->list, bytes, medium->phase, align);
    if (segment == NULL && add_arena(medium, round_up(bytes, GRAIN) + (align > GRAIN ? align : 0)))
        segment = freelist_alloc(&medium->list, bytes, medium->phase, align);
    if (segment != NULL) {
        struct medium_arena *arena = arena_of_segment(segment);
        medium->whole -= arena->blocks++ == 0;
        STORE(segment->slot, entries_take(&arena->entries, segment->start + medium->phase, segment));
        segment->weight = room;
        medium->requested += room;
        fill_block(arena, segment, block);
        block->zeroed = medium->list.stale == 0;
        done = true;
    }
    port_unlock(medium->hooks, &medium->lock);
    return done;
}

void medium_free(struct medium *medium, const struct heap_block *block)
{
    struct medium_arena *arena = arena_of(block->region);
    port_lock(medium->hooks, &medium->lock);
    struct segment *segment = entry_owner(&arena->entries, block->slot);
    if (segment != NULL && segment->start == block->start) {
        medium->requested -= segment->weight;
        entries_give(&arena->entries, block->slot);
        arena->freed[(size_t)(segment->start - arena->region.base) >> FREELIST_CELL_SHIFT] = block->slot + 1;
        freelist_free(&medium->list, segment);
        if (--arena->blocks == 0 && ++medium->whole > 1)
            close_arena(medium, arena);
    }
    port_unlock(medium->hooks, &medium->lock);
}

bool medium_resize(struct medium *medium, struct heap_block *block, size_t room)
{
    struct medium_arena *arena = arena_of(block->region);
    size_t bytes = room < medium->least ? medium->least : room;
    bool done = false;
    port_lock(medium->hooks, &medium->lock);
    struct segment *segment = entry_owner(&arena->entries, block->slot);
    if (segment != NULL && segment->start == block->start && freelist_resize(&medium->list, segment, bytes)) {
        medium->requested += room - segment->weight;
        segment->weight = room;
        block->room = segment->bytes;
        done = true;
    }
    port_unlock(medium->hooks, &medium->lock);
    return done;
}

/* The free entry of the block that began last at or before `address`, not before `low`. ENTRY_NONE: none is remembered. */
static uint32_t remembered(const struct medium *medium, const struct medium_arena *arena, const char *low, const char *address)
{
    size_t cell = (size_t)(address - arena->region.base) >> FREELIST_CELL_SHIFT;
    size_t last = (size_t)(low - arena->region.base) >> FREELIST_CELL_SHIFT;
    if (cell - last > REMEMBERED_CELLS)
        last = cell - REMEMBERED_CELLS;
    for (cell++; cell > last; cell--) {
        uint32_t entry = arena->freed[cell - 1] - 1;
        if (entry == ENTRY_NONE || entry_owner(&arena->entries, entry) != NULL)
            continue;
        const char *start = entry_address(&arena->entries, entry) - medium->phase;
        if (start >= low && start <= address)
            return entry;
    }
    return ENTRY_NONE;
}

/* Under the lock. */
static bool find_locked(struct medium *medium, struct medium_arena *arena, const char *address, struct heap_block *block)
{
    struct segment *segment = freelist_find(&arena->list, address);
    if (segment->used) {
        fill_block(arena, segment, block);
        return true;
    }
    uint32_t entry = remembered(medium, arena, segment->start, address);
    if (entry == ENTRY_NONE)
        return false;
    block->start = entry_address(&arena->entries, entry) - medium->phase;
    block->room = (size_t)(segment->start + segment->bytes - block->start);
    block->tag = entry_tag(&arena->entries, entry);
    block->region = &arena->region;
    block->slot = entry;
    block->used = false;
    return true;
}

bool medium_find(struct medium *medium, struct heap_region *region, const char *address, struct heap_block *block)
{
    struct medium_arena *arena = arena_of(region);
    struct segment_view view;
    block->zeroed = false;
    uint32_t version = LOAD_ACQUIRE(region->version);
    if (version & 1)
        return false;
    char *tags = LOAD(region->tags);
    size_t step = 8 + medium->tag_bytes;
    if (freelist_look(&arena->list, address, &view) && view.used && LOAD_ACQUIRE(region->version) == version) {
        block->start = view.start;
        block->room = view.bytes;
        block->tag = tags + view.slot * step + 8;
        block->region = region;
        block->slot = view.slot;
        block->used = true;
        return true;
    }
    bool found = false;
    port_lock(medium->hooks, &medium->lock);
    if (!(LOAD(region->version) & 1) && address >= region->base && address < region->base + region->bytes)
        found = find_locked(medium, arena, address, block);
    port_unlock(medium->hooks, &medium->lock);
    return found;
}

void medium_stats(struct medium *medium, struct heap_engine_stats *stats)
{
    port_lock(medium->hooks, &medium->lock);
    size_t largest = freelist_largest(&medium->list);
    stats->mapped += medium->list.arena_bytes;
    stats->requested += medium->requested;
    stats->occupied += medium->list.used_bytes;
    stats->free_bytes += medium->list.fit.free_bytes;
    stats->blocks += medium->list.used_segments;
    if (largest > stats->largest_free)
        stats->largest_free = largest;
    port_unlock(medium->hooks, &medium->lock);
}

size_t medium_trim(struct medium *medium)
{
    size_t given = 0;
    port_lock(medium->hooks, &medium->lock);
    for (struct medium_arena *arena = medium->first, *next; arena != NULL; arena = next) {
        next = arena->next;
        if (arena->blocks == 0)
            close_arena(medium, arena);         /* its pages are counted when the page source gives them back */
        else if (medium->hooks->discard != NULL)
            given += freelist_discard(&arena->list, medium->hooks, medium->pages->page_size);
    }
    port_unlock(medium->hooks, &medium->lock);
    return given;
}

void medium_consistent(struct medium *medium, struct check *check)
{
    struct freelist_count count;
    zero_bytes(&count, sizeof count);
    size_t requested = 0;
    unsigned whole = 0;
    for (struct medium_arena *arena = medium->first; arena != NULL; arena = arena->next) {
        freelist_arena_consistent(&arena->list, &count, check);
        uint32_t used = entries_consistent(&arena->entries, check), blocks = 0;
        for (struct segment *segment = arena->list.first; segment != NULL; segment = segment->next) {
            if (!segment->used)
                continue;
            blocks++;
            requested += segment->weight;
            check_that(check, segment->weight <= segment->bytes, "medium: block larger than its segment", segment->weight);
            check_equal(check, "medium", "owner of the block's entry", (uintptr_t)entry_owner(&arena->entries, segment->slot), "segment", (uintptr_t)segment);
            check_equal(check, "medium", "address in the entry", (uintptr_t)entry_address(&arena->entries, segment->slot), "block",
                        (uintptr_t)segment->start + medium->phase);
        }
        whole += freelist_is_whole(&arena->list);
        check_equal(check, "medium", "blocks of the arena", arena->blocks, "counted", blocks);
        check_equal(check, "medium", "entries in use", used, "blocks of the arena", blocks);
        check_equal(check, "medium", "owner of the pages", (uintptr_t)pages_owner(medium->pages, arena->run.start), "arena", (uintptr_t)&arena->region);
    }
    check_equal(check, "medium", "requested", medium->requested, "counted", requested);
    check_equal(check, "medium", "whole arenas", medium->whole, "counted", whole);
    freelist_consistent(&medium->list, &count, check);
}
