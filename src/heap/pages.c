/* Pages: arenas from the hooks, cut into runs by a buddy.
 *
 *    hooks->alloc_pages ─▶ arena (32 MiB) ─▶ buddy over its pages ─▶ run of 2^n pages ─▶ slab, free-list arena, buddy arena
 *                                                                        │
 *                                                     page map: page ─▶ region that owns it
 *
 * 1. A run comes from the arena whose largest free run is the smallest that serves; without one a new arena is asked for, half as
 *    large each time that is refused, down to the run itself.
 * 2. A run that comes back keeps its contents up to a limit (STALE_BYTES and a sixteenth of what is in use), so that memory in
 *    short turnover is not given to the kernel and taken back; above the limit it is discarded at once.
 * 3. A wholly free arena goes back to the hooks when there is another one; the one that stays is discarded if much is left in it.
 *
 * Two bits per page: `dirty`, handed out at some time, so not known to be zero; and `stale`, handed out since it was last
 * discarded, so it may take memory. Discarding does not clear `dirty`, because the hook promises no contents.
 *
 * Limits: runs are powers of two. An arena smaller than asked for never grows. */
#include "heap/pages.h"

#include "heap/bits.h"
#include "heap/port.h"

#define STALE_BYTES ((size_t)4 << 20)
#define ARENA_ALIGN ((size_t)2 << 20)   /* of a huge page on the architectures at hand */

struct page_arena {
    struct buddy buddy;                 /* first: found by the buddy set */
    struct page_arena *next, *prev;
    size_t bytes;
    uint64_t *dirty, *stale;            /* bit per page */
    void *book;
};

void pages_init(struct pages *pages, const struct heap_hooks *hooks, struct meta *meta, size_t page_size, size_t arena_bytes, uint32_t rank)
{
    pages->hooks = hooks;
    pages->meta = meta;
    pages->page_size = page_size;
    pages->page_shift = log2_floor(page_size);
    pages->arena_bytes = arena_bytes;
    pages->lock.rank = rank;
    pool_init(&pages->arenas, &meta->objects, sizeof(struct page_arena), 16, offsetof(struct page_arena, next));
    pagemap_init(&pages->map, meta->hooks, page_size);
}

/* ---- arenas ---- */

static void *ask(struct pages *pages, size_t bytes)
{
    size_t align = bytes < ARENA_ALIGN ? bytes : ARENA_ALIGN;
    void *base = pages->hooks->alloc_pages(pages->hooks->ctx, bytes, align);
    return base != NULL || align == pages->page_size ? base : pages->hooks->alloc_pages(pages->hooks->ctx, bytes, pages->page_size);
}

static bool add_arena(struct pages *pages, size_t least)
{
    size_t bytes = pages->arena_bytes;
    char *base = ask(pages, bytes);
    while (base == NULL && bytes > least) {
        bytes /= 2;
        base = ask(pages, bytes);
    }
    if (base == NULL)
        return false;
    unsigned top = log2_floor(bytes) - pages->page_shift;
    size_t words = bit_words((size_t)1 << top), book = buddy_book_bytes(top);
    struct page_arena *arena = meta_take(pages->meta, &pages->arenas);
    if (arena == NULL)
        goto give_pages;
    arena->book = meta_alloc(pages->meta, book + 2 * 8 * words);
    if (arena->book == NULL)
        goto give_arena;
    if (!pagemap_set(&pages->map, base, bytes, PAGES_HELD))
        goto free_book;
    buddy_init(&arena->buddy, base, pages->page_shift, top, arena->book);
    arena->dirty = (uint64_t *)((char *)arena->book + book);
    arena->stale = arena->dirty + words;
    arena->bytes = bytes;
    arena->prev = NULL;
    arena->next = pages->first;
    if (pages->first != NULL)
        pages->first->prev = arena;
    pages->first = arena;
    buddy_set_add(&pages->buddies, &arena->buddy);
    pages->held_bytes += bytes;
    pages->free_bytes += bytes;
    pages->whole++;
    return true;

free_book:
    meta_free(pages->meta, arena->book);
give_arena:
    meta_give(pages->meta, &pages->arenas, arena);
give_pages:
    pages->hooks->free_pages(pages->hooks->ctx, base, bytes);
    return false;
}

static size_t count_stale(const struct pages *pages, const struct page_arena *arena, const char *start, size_t bytes)
{
    size_t first = (size_t)(start - arena->buddy.base) >> pages->page_shift, n = bytes >> pages->page_shift, count = 0;
    if (first % 64 == 0 && n % 64 == 0) {
        for (size_t i = first / 64; i < (first + n) / 64; i++)
            count += bit_count(arena->stale[i]);
    } else {
        for (size_t i = first; i < first + n; i++)
            count += bit_get(arena->stale, i);
    }
    return count << pages->page_shift;
}

static void remove_arena(struct pages *pages, struct page_arena *arena)
{
    pages->stale_bytes -= count_stale(pages, arena, arena->buddy.base, arena->bytes);
    buddy_set_remove(&pages->buddies, &arena->buddy);
    if (arena->prev != NULL)
        arena->prev->next = arena->next;
    else
        pages->first = arena->next;
    if (arena->next != NULL)
        arena->next->prev = arena->prev;
    pages->held_bytes -= arena->bytes;
    pages->free_bytes -= arena->bytes;
    pages->whole--;
    pagemap_set(&pages->map, arena->buddy.base, arena->bytes, 0);   /* as it was set when the arena came */
    pages->hooks->free_pages(pages->hooks->ctx, arena->buddy.base, arena->bytes);
    meta_free(pages->meta, arena->book);
    meta_give(pages->meta, &pages->arenas, arena);
}

/* ---- runs ---- */

/* Sets or clears the bits of a range; returns how many were set before. */
static size_t mark(uint64_t *bits, size_t first, size_t n, bool value)
{
    size_t before = 0;
    while (n != 0) {
        size_t in_word = 64 - first % 64 < n ? 64 - first % 64 : n;
        uint64_t mask = (in_word == 64 ? ~0ull : (1ull << in_word) - 1) << (first % 64), *word = &bits[first / 64];
        before += bit_count(*word & mask);
        *word = value ? *word | mask : *word & ~mask;
        first += in_word;
        n -= in_word;
    }
    return before;
}

bool pages_take(struct pages *pages, size_t bytes, struct page_run *run)
{
    unsigned order = log2_floor(bytes) - pages->page_shift;
    if (bytes > pages->arena_bytes)
        return false;
    port_lock(pages->hooks, &pages->lock);
    struct buddy *buddy = NULL;
    char *start = buddy_set_alloc(&pages->buddies, order, &buddy);
    if (start == NULL && add_arena(pages, bytes))
        start = buddy_set_alloc(&pages->buddies, order, &buddy);
    if (start != NULL) {
        struct page_arena *arena = (struct page_arena *)buddy;
        size_t first = (size_t)(start - arena->buddy.base) >> pages->page_shift, n = bytes >> pages->page_shift;
        if (pages->whole != 0 && arena->buddy.free_units + n == (size_t)1 << arena->buddy.top)
            pages->whole--;
        run->start = start;
        run->bytes = bytes;
        run->arena = arena;
        run->zeroed = mark(arena->dirty, first, n, true) == 0;
        pages->stale_bytes -= mark(arena->stale, first, n, true) << pages->page_shift;
        pages->free_bytes -= bytes;
    }
    port_unlock(pages->hooks, &pages->lock);
    return start != NULL;
}

static void discard(struct pages *pages, struct page_arena *arena, char *start, size_t bytes)
{
    size_t first = (size_t)(start - arena->buddy.base) >> pages->page_shift, n = bytes >> pages->page_shift;
    pages->hooks->discard(pages->hooks->ctx, start, bytes);
    pages->stale_bytes -= mark(arena->stale, first, n, false) << pages->page_shift;
}

void pages_give(struct pages *pages, const struct page_run *run)
{
    port_lock(pages->hooks, &pages->lock);
    struct page_arena *arena = run->arena;
    pages->stale_bytes += run->bytes;
    pages->free_bytes += run->bytes;
    if (pages->hooks->discard != NULL && pages->stale_bytes > STALE_BYTES + (pages->held_bytes - pages->free_bytes) / 16)
        discard(pages, arena, run->start, run->bytes);
    buddy_set_free(&pages->buddies, &arena->buddy, run->start);
    if (buddy_is_whole(&arena->buddy)) {
        if (++pages->whole > 1)
            remove_arena(pages, arena);
        else if (pages->hooks->discard != NULL && pages->stale_bytes > STALE_BYTES)
            discard(pages, arena, arena->buddy.base, arena->bytes);     /* kept, but not what was left in it under a higher limit */
    }
    port_unlock(pages->hooks, &pages->lock);
}

bool pages_own(struct pages *pages, const char *start, size_t bytes, const struct heap_region *owner)
{
    port_lock(pages->hooks, &pages->lock);
    bool done = pagemap_set(&pages->map, start, bytes, (uintptr_t)owner);
    port_unlock(pages->hooks, &pages->lock);
    return done;
}

void pages_disown(struct pages *pages, const char *start, size_t bytes)
{
    port_lock(pages->hooks, &pages->lock);
    pagemap_set(&pages->map, start, bytes, PAGES_HELD);
    port_unlock(pages->hooks, &pages->lock);
}

/* ---- giving back ---- */

struct trimming {
    struct pages *pages;
    struct page_arena *arena;
    size_t given;
};

static void trim_run(void *ctx, char *start, size_t bytes)
{
    struct trimming *trimming = ctx;
    struct pages *pages = trimming->pages;
    size_t stale = count_stale(pages, trimming->arena, start, bytes);
    if (stale == 0)
        return;
    discard(pages, trimming->arena, start, bytes);
    trimming->given += stale;
}

size_t pages_trim(struct pages *pages)
{
    struct trimming trimming = {.pages = pages};
    port_lock(pages->hooks, &pages->lock);
    for (struct page_arena *arena = pages->first, *next; arena != NULL; arena = next) {
        next = arena->next;
        if (buddy_is_whole(&arena->buddy)) {
            trimming.given += arena->bytes;
            remove_arena(pages, arena);
        } else if (pages->hooks->discard != NULL) {
            trimming.arena = arena;
            buddy_each_free(&arena->buddy, trim_run, &trimming);
        }
    }
    port_unlock(pages->hooks, &pages->lock);
    return trimming.given;
}

size_t pages_largest(struct pages *pages)
{
    size_t largest = 0;
    port_lock(pages->hooks, &pages->lock);
    for (int order = BUDDY_ORDERS - 1; order >= 0 && largest == 0; order--)
        if (pages->buddies.by_largest[order + 1] != NULL)
            largest = pages->page_size << order;
    port_unlock(pages->hooks, &pages->lock);
    return largest;
}

/* ---- checks ---- */

struct stale_count {
    const struct pages *pages;
    const struct page_arena *arena;
    size_t bytes;
};

static void add_stale(void *ctx, char *start, size_t bytes)
{
    struct stale_count *count = ctx;
    count->bytes += count_stale(count->pages, count->arena, start, bytes);
}

void pages_consistent(struct pages *pages, struct check *check)
{
    size_t held = 0, free = 0;
    unsigned whole = 0;
    struct stale_count stale = {.pages = pages};
    const struct page_arena *before = NULL;
    for (const struct page_arena *arena = pages->first; arena != NULL; before = arena, arena = arena->next) {
        check_equal(check, "pages", "link back", (uintptr_t)arena->prev, "arena before", (uintptr_t)before);
        held += arena->bytes;
        free += (size_t)arena->buddy.free_units << pages->page_shift;
        whole += buddy_is_whole(&arena->buddy);
        stale.arena = arena;
        buddy_each_free(&arena->buddy, add_stale, &stale);
        check_that(check, pagemap_get(&pages->map, arena->buddy.base) != 0, "pages: arena is not in the map", (uintptr_t)arena->buddy.base);
    }
    check_equal(check, "pages", "bytes held", pages->held_bytes, "bytes of arenas", held);
    check_equal(check, "pages", "free bytes", pages->free_bytes, "counted", free);
    check_equal(check, "pages", "stale bytes", pages->stale_bytes, "counted", stale.bytes);
    check_equal(check, "pages", "whole arenas", pages->whole, "counted", whole);
    buddy_set_consistent(&pages->buddies, check);
}
