/* Watermark: bump allocation with chained chunks and clear-all, for the library's own records.
 *
 *    chunks ─▶ ┌──────┬────────┬────────┬──────────────────┐     ┌──────┬───────────────┐
 *              │header│ object │ object │      unused      │  ─▶ │header│ object …      │ ─▶ NULL
 *              └──────┴────────┴────────┴──────────────────┘     └──────┴───────────────┘
 *                                       ▲ next              ▲ end
 *
 * 1. An object is cut at `next`, after rounding up for alignment.
 * 2. What does not fit opens a new chunk, which becomes the first; the rest of the old one is lost (at most a quarter of a chunk,
 *    because of 3).
 * 3. An object above a quarter of a chunk gets a chunk of its own, put behind the first, which goes on being used.
 * 4. Clearing walks the chain once.
 *
 * Limits: no object is given back alone. Not for threads: the caller holds a lock. */
#include "heap/watermark.h"

#include "heap/bits.h"
#include "heap/port.h"

struct watermark_chunk {
    struct watermark_chunk *next;
    size_t bytes;                       /* of the chunk, this header included */
};

#define HEADER round_up(sizeof(struct watermark_chunk), 64)

void watermark_init(struct watermark *mark, const struct heap_hooks *hooks, size_t page_size, size_t chunk_bytes)
{
    mark->hooks = hooks;
    mark->page_size = page_size;
    mark->chunk_bytes = chunk_bytes;
    mark->chunks = NULL;
    mark->next = mark->end = 0;
    mark->held = mark->taken = 0;
}

static struct watermark_chunk *open_chunk(struct watermark *mark, size_t bytes)
{
    struct watermark_chunk *chunk = port_alloc_kept(mark->hooks, bytes, mark->page_size);
    if (chunk == NULL)
        return NULL;
    chunk->bytes = bytes;
    mark->held += port_kept_bytes(mark->hooks, bytes, mark->page_size);
    return chunk;
}

void *watermark_take(struct watermark *mark, size_t bytes, size_t align)
{
    if (bytes == 0)
        bytes = 1;
    if (bytes > ROOM_MAX / 2 || !is_power_of_two(align) || align > mark->page_size)
        return NULL;
    uintptr_t at = round_up(mark->next, align);
    if (mark->chunks != NULL && at <= mark->end && mark->end - at >= bytes) {
        mark->next = at + bytes;
        mark->taken += bytes;
        return (void *)at;
    }
    size_t first = round_up(HEADER, align);
    size_t least = round_up(first + bytes, mark->page_size);
    if (bytes > mark->chunk_bytes / 4 && mark->chunks != NULL) {
        struct watermark_chunk *own = open_chunk(mark, least);
        if (own == NULL)
            return NULL;
        own->next = mark->chunks->next;
        mark->chunks->next = own;
        mark->taken += bytes;
        return (char *)own + first;
    }
    size_t wanted = least > mark->chunk_bytes ? least : mark->chunk_bytes;
    struct watermark_chunk *chunk = open_chunk(mark, wanted);
    if (chunk == NULL && wanted > least)
        chunk = open_chunk(mark, least);
    if (chunk == NULL)
        return NULL;
    chunk->next = mark->chunks;
    mark->chunks = chunk;
    mark->next = (uintptr_t)chunk + first + bytes;
    mark->end = (uintptr_t)chunk + chunk->bytes;
    mark->taken += bytes;
    return (char *)chunk + first;
}

void watermark_clear(struct watermark *mark)
{
    struct watermark_chunk *chunk = mark->chunks;
    while (chunk != NULL) {
        struct watermark_chunk *next = chunk->next;
        port_free_kept(mark->hooks, chunk, chunk->bytes, mark->page_size);
        chunk = next;
    }
    mark->chunks = NULL;
    mark->next = mark->end = 0;
    mark->held = mark->taken = 0;
}

void watermark_consistent(const struct watermark *mark, struct check *check)
{
    size_t held = 0;
    for (const struct watermark_chunk *chunk = mark->chunks; chunk != NULL; chunk = chunk->next)
        held += port_kept_bytes(mark->hooks, chunk->bytes, mark->page_size);
    check_equal(check, "watermark", "bytes of the chunks", held, "bytes held", mark->held);
    check_that(check, mark->taken <= mark->held, "watermark: more bytes taken than held", mark->taken);
    if (mark->chunks != NULL) {
        check_that(check, mark->next <= mark->end, "watermark: the mark is past the end of its chunk", mark->next);
        check_equal(check, "watermark", "end of the first chunk", (uintptr_t)mark->chunks + mark->chunks->bytes, "end", mark->end);
    }
}
