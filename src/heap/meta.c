/* Meta: memory for bookkeeping.
 *
 * Arrays (tags, bitmaps, links) come from a free list of its own over arenas straight from the hooks, so that each is exactly as
 * large as it must be; descriptors and nodes come from pools over one watermark. Neither is ever unmapped: a look-up that lost a
 * race with a closing region may still follow its pointers once. Both stand between inaccessible pages (port.h).
 *
 * Arrays are handed out zeroed. The part of an arena that was never used before is not touched for that: a region's tags take
 * memory as its slots are used. */
#include "heap/meta.h"

#include "heap/bits.h"
#include "heap/port.h"

#define ARENA_BYTES ((size_t)2 << 20)
#define CHUNK_BYTES ((size_t)256 << 10)
#define STALE_BYTES ((size_t)2 << 20)

void meta_init(struct meta *meta, const struct heap_hooks *hooks, size_t page_size, uint32_t rank)
{
    meta->hooks = hooks;
    meta->page_size = page_size;
    meta->lock.word = 0;
    meta->lock.rank = rank;
    meta->arenas = NULL;
    meta->stale = 0;
    watermark_init(&meta->objects, hooks, page_size, round_up(CHUNK_BYTES, page_size));
    freelist_pool(&meta->segments, &meta->objects);
    freelist_init(&meta->list, HEAP_FIT_TLSF, &meta->segments);
}

/* An arena of at least `least` bytes; large first, less when that is refused. */
static bool add_arena(struct meta *meta, size_t least)
{
    least = round_up(least, meta->page_size);
    size_t bytes = least > ARENA_BYTES ? least : ARENA_BYTES;
    char *base = port_alloc_kept(meta->hooks, bytes, meta->page_size);
    while (base == NULL && bytes > least) {
        bytes = bytes / 2 < least ? least : round_up(bytes / 2, meta->page_size);
        base = port_alloc_kept(meta->hooks, bytes, meta->page_size);
    }
    if (base == NULL)
        return false;
    struct meta_arena *arena = watermark_take(&meta->objects, sizeof *arena + freelist_book_bytes(bytes), 16);
    if (arena == NULL || !freelist_add(&meta->list, &arena->arena, base, bytes, arena + 1, true)) {
        port_free_kept(meta->hooks, base, bytes, meta->page_size);
        return false;
    }
    arena->next = meta->arenas;
    meta->arenas = arena;
    return true;
}

void *meta_alloc(struct meta *meta, size_t bytes)
{
    if (bytes > ROOM_MAX / 4)
        return NULL;
    port_lock(meta->hooks, &meta->lock);
    struct segment *segment = freelist_alloc(&meta->list, bytes, 0, META_ALIGN);
    if (segment == NULL && add_arena(meta, bytes + META_ALIGN))
        segment = freelist_alloc(&meta->list, bytes, 0, META_ALIGN);
    char *memory = segment == NULL ? NULL : segment->start;
    size_t stale = memory == NULL ? 0 : meta->list.stale;
    meta->stale -= stale < meta->stale ? stale : meta->stale;
    port_unlock(meta->hooks, &meta->lock);
    if (stale != 0)
        zero_bytes(memory, stale);
    return memory;
}

/* Arenas are few: 2 MiB of bookkeeping go with some 100 MiB of blocks. */
static struct meta_arena *arena_of(struct meta *meta, const char *memory)
{
    struct meta_arena *arena = meta->arenas;
    while (arena != NULL && (memory < arena->arena.base || memory >= arena->arena.base + arena->arena.bytes))
        arena = arena->next;
    return arena;
}

/* [start, start + bytes) has become part of the free segment `around`: its pages are discarded once much lies unused, as after a
 * program has given back most of a large heap. */
static void note_stale(struct meta *meta, const char *start, size_t bytes, const struct segment *around)
{
    meta->stale += bytes;
    if (meta->hooks->discard == NULL || meta->stale < STALE_BYTES + meta->list.used_bytes / 16)
        return;
    uintptr_t page = meta->page_size, first = (uintptr_t)start & ~(page - 1), last = round_up((uintptr_t)start + bytes, page);
    if (first < (uintptr_t)around->start)
        first += page;
    if (last > (uintptr_t)around->start + around->bytes)
        last -= page;
    meta->stale -= bytes;
    if (first < last)
        meta->hooks->discard(meta->hooks->ctx, (void *)first, last - first);
}

void meta_free(struct meta *meta, void *memory)
{
    if (memory == NULL)
        return;
    port_lock(meta->hooks, &meta->lock);
    struct meta_arena *arena = arena_of(meta, memory);
    if (arena != NULL) {
        struct segment *segment = freelist_find(&arena->arena, memory);
        if (segment->used && segment->start == memory) {
            size_t bytes = segment->bytes;
            note_stale(meta, memory, bytes, freelist_free(&meta->list, segment));
        }
    }
    port_unlock(meta->hooks, &meta->lock);
}

void *meta_take(struct meta *meta, struct pool *pool)
{
    port_lock(meta->hooks, &meta->lock);
    void *object = pool_take(pool);
    port_unlock(meta->hooks, &meta->lock);
    return object;
}

void meta_give(struct meta *meta, struct pool *pool, void *object)
{
    port_lock(meta->hooks, &meta->lock);
    pool_give(pool, object);
    port_unlock(meta->hooks, &meta->lock);
}

size_t meta_trim(struct meta *meta)
{
    size_t given = 0;
    if (meta->hooks->discard == NULL)
        return 0;
    port_lock(meta->hooks, &meta->lock);
    for (struct meta_arena *arena = meta->arenas; arena != NULL; arena = arena->next)
        given += freelist_discard(&arena->arena, meta->hooks, meta->page_size);
    meta->stale = 0;
    port_unlock(meta->hooks, &meta->lock);
    return given;
}

size_t meta_bytes(struct meta *meta)
{
    port_lock(meta->hooks, &meta->lock);
    size_t bytes = meta->objects.held;
    for (const struct meta_arena *arena = meta->arenas; arena != NULL; arena = arena->next)
        bytes += port_kept_bytes(meta->hooks, arena->arena.bytes, meta->page_size);
    port_unlock(meta->hooks, &meta->lock);
    return bytes;
}

void meta_consistent(struct meta *meta, struct check *check)
{
    struct freelist_count count;
    zero_bytes(&count, sizeof count);
    for (struct meta_arena *arena = meta->arenas; arena != NULL; arena = arena->next)
        freelist_arena_consistent(&arena->arena, &count, check);
    freelist_consistent(&meta->list, &count, check);
    watermark_consistent(&meta->objects, check);
}
