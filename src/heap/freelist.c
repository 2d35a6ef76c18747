/* Free list: segments of exact size in address order.
 *
 *    arena   ┌──────────┬──────┬───────────────┬────┬───────────────────────────┐
 *    memory  │  in use  │ free │    in use     │used│           free            │
 *            └──────────┴──────┴───────────────┴────┴───────────────────────────┘
 *    segments     ◀──▶     ◀──▶       ◀──▶       ◀──▶          (doubly linked by address, no two free ones side by side)
 *    cells   [ 1 ][ NULL ][ 2 ][ NULL ][ 3 ][ 4 ][ NULL ]…     (per KiB, the first segment that starts in it)
 *
 * 1. Allocation takes the policy's choice (fit.h) out of the set of free segments, leaves what lies before the aligned start as
 *    one free segment and what is left behind as another.
 * 2. Freeing joins a segment with the free ones on both sides. It needs no memory, so it cannot fail.
 * 3. An address is found through the cells: the segment of the last filled cell at or before it, then forward by address; two
 *    levels of bitmaps find that cell without a walk, and no more than 64 segments start in a KiB.
 * 4. Look-ups without a lock read an even version, walk, and hold only if the version is still the same. Segments are objects of
 *    a pool that is never unmapped, so a walk that lost a race reads an old segment, nothing else.
 *
 * Nothing is written to the memory that is given out. Limits: not for threads, except freelist_look; a segment's node is 72
 * bytes, so small sizes cost more bookkeeping than memory. */
#include "heap/freelist.h"

#include "heap/bits.h"

#define CELL_BYTES ((size_t)1 << FREELIST_CELL_SHIFT)
#define LOOK_STEPS (CELL_BYTES / GRAIN + 2)
#define LOOK_TRIES 4

void freelist_pool(struct pool *segments, struct watermark *from)
{
    pool_init(segments, from, sizeof(struct segment), 16, offsetof(struct segment, left));
}

void freelist_init(struct freelist *list, enum heap_fit policy, struct pool *segments)
{
    fit_init(&list->fit, policy);
    list->segments = segments;
    list->arena_bytes = list->used_bytes = 0;
    list->free_segments = list->used_segments = 0;
    list->stale = 0;
}

static size_t cells_of(size_t bytes) { return (bytes + CELL_BYTES - 1) >> FREELIST_CELL_SHIFT; }

size_t freelist_book_bytes(size_t bytes)
{
    size_t cells = cells_of(bytes), words = bit_words(cells);
    return cells * sizeof(struct segment *) + (words + bit_words(words)) * 8;
}

/* Around a change of an arena's segments, for freelist_look. */
static void begin_change(struct freelist_arena *arena)
{
    STORE(arena->version, arena->version | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end_change(struct freelist_arena *arena) { STORE_RELEASE(arena->version, (arena->version | 1) + 1); }

/* ---- the index from addresses to segments ---- */

static size_t cell_of(const struct freelist_arena *arena, const char *address) { return (size_t)(address - arena->base) >> FREELIST_CELL_SHIFT; }

static void index_add(struct freelist_arena *arena, struct segment *segment)
{
    size_t cell = cell_of(arena, segment->start);
    struct segment *first = arena->cells[cell];
    if (first != NULL && first->start < segment->start)
        return;
    STORE(arena->cells[cell], segment);
    bit_set(arena->filled, cell);
    bit_set(arena->summary, cell / 64);
}

/* segment->next is still its neighbour. */
static void index_remove(struct freelist_arena *arena, struct segment *segment)
{
    size_t cell = cell_of(arena, segment->start);
    if (arena->cells[cell] != segment)
        return;
    struct segment *next = segment->next;
    if (next != NULL && cell_of(arena, next->start) == cell) {
        STORE(arena->cells[cell], next);
        return;
    }
    STORE(arena->cells[cell], NULL);
    bit_clear(arena->filled, cell);
    if (arena->filled[cell / 64] == 0)
        bit_clear(arena->summary, cell / 64);
}

/* The last filled cell below `cell`. SIZE_MAX: none. */
static size_t filled_below(const struct freelist_arena *arena, size_t cell)
{
    size_t word = cell / 64;
    uint64_t bits = cell % 64 == 0 ? 0 : LOAD(arena->filled[word]) & ~(~0ull << (cell % 64));
    if (bits != 0)
        return word * 64 + log2_floor(bits);
    size_t group = word / 64;
    uint64_t words = word % 64 == 0 ? 0 : LOAD(arena->summary[group]) & ~(~0ull << (word % 64));
    while (words == 0) {
        if (group == 0)
            return SIZE_MAX;
        words = LOAD(arena->summary[--group]);
    }
    word = group * 64 + log2_floor(words);
    bits = LOAD(arena->filled[word]);
    return bits == 0 ? SIZE_MAX : word * 64 + log2_floor(bits);
}

struct segment *freelist_find(const struct freelist_arena *arena, const char *address)
{
    size_t cell = cell_of(arena, address);
    struct segment *segment = arena->cells[cell];
    if (segment == NULL || segment->start > address)
        segment = arena->cells[filled_below(arena, cell)];
    while (segment->next != NULL && segment->next->start <= address)
        segment = segment->next;
    return segment;
}

static bool look_once(const struct freelist_arena *arena, const char *address, struct segment_view *view)
{
    uint32_t version = LOAD_ACQUIRE(arena->version);
    if (version & 1)
        return false;
    const char *base = LOAD(arena->base);
    size_t bytes = LOAD(arena->bytes);
    if (address < base || (size_t)(address - base) >= bytes)
        return false;
    size_t cell = (size_t)(address - base) >> FREELIST_CELL_SHIFT;
    struct segment *segment = LOAD(arena->cells[cell]);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (LOAD(arena->version) != version)        /* from here on the pointer is known to be a segment's */
        return false;
    if (segment == NULL || LOAD(segment->start) > address) {
        cell = filled_below(arena, cell);
        if (cell == SIZE_MAX)
            return false;
        segment = LOAD(arena->cells[cell]);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (LOAD(arena->version) != version || segment == NULL)
            return false;
    }
    for (size_t steps = 0; steps < LOOK_STEPS; steps++) {
        struct segment *next = LOAD(segment->next);
        if (next == NULL || LOAD(next->start) > address)
            break;
        segment = next;
    }
    view->start = LOAD(segment->start);
    view->bytes = LOAD(segment->bytes);
    view->used = LOAD(segment->used);
    view->slot = LOAD(segment->slot);
    view->segment = segment;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return LOAD(arena->version) == version;
}

bool freelist_look(const struct freelist_arena *arena, const char *address, struct segment_view *view)
{
    for (int tries = 0; tries < LOOK_TRIES; tries++)
        if (look_once(arena, address, view))
            return true;
    return false;
}

/* ---- arenas ---- */

bool freelist_add(struct freelist *list, struct freelist_arena *arena, char *base, size_t bytes, void *book, bool fresh)
{
    struct segment *segment = pool_take(list->segments);
    if (segment == NULL)
        return false;
    begin_change(arena);
    size_t cells = cells_of(bytes), words = bit_words(cells);
    STORE(arena->base, base);
    STORE(arena->bytes, bytes);
    arena->cells = book;
    arena->filled = (uint64_t *)(arena->cells + cells);
    arena->summary = arena->filled + words;
    arena->fresh = fresh ? 0 : bytes;
    arena->first = segment;
    STORE(segment->start, base);
    STORE(segment->bytes, bytes);
    segment->prev = NULL;
    STORE(segment->next, NULL);
    STORE(segment->used, false);
    segment->arena = arena;
    STORE(segment->slot, 0);
    index_add(arena, segment);
    end_change(arena);
    fit_insert(&list->fit, segment);
    list->free_segments++;
    list->arena_bytes += bytes;
    return true;
}

void freelist_remove(struct freelist *list, struct freelist_arena *arena)
{
    begin_change(arena);        /* and stays odd until the next freelist_add */
    fit_remove(&list->fit, arena->first);
    list->free_segments--;
    list->arena_bytes -= arena->bytes;
    pool_give(list->segments, arena->first);
    arena->first = NULL;
}

/* ---- segments ---- */

/* Puts `made` between `before` and what follows it. */
static void link_after(struct freelist_arena *arena, struct segment *before, struct segment *made, char *start, size_t bytes)
{
    made->arena = arena;
    STORE(made->slot, 0);
    STORE(made->start, start);
    STORE(made->bytes, bytes);
    STORE(made->used, false);
    made->prev = before;
    STORE(made->next, before->next);
    if (before->next != NULL)
        before->next->prev = made;
    STORE(before->next, made);
    index_add(arena, made);
}

/* Takes a segment out of the order; its bytes now belong to a neighbour. */
static void unlink_segment(struct freelist *list, struct segment *segment)
{
    struct freelist_arena *arena = segment->arena;
    index_remove(arena, segment);
    if (segment->prev != NULL)
        STORE(segment->prev->next, segment->next);
    else
        arena->first = segment->next;
    if (segment->next != NULL)
        segment->next->prev = segment->prev;
    pool_give(list->segments, segment);
}

/* The segment is handed out: returns how many bytes at its start were handed out before. */
static size_t note_fresh(struct segment *segment)
{
    struct freelist_arena *arena = segment->arena;
    size_t start = (size_t)(segment->start - arena->base), end = start + segment->bytes, fresh = arena->fresh;
    if (end > fresh)
        arena->fresh = end;
    return start >= fresh ? 0 : end <= fresh ? segment->bytes : fresh - start;
}

struct segment *freelist_alloc(struct freelist *list, size_t bytes, size_t phase, size_t align)
{
    if (bytes > ROOM_MAX / 2 || align > ROOM_MAX / 2)
        return NULL;
    bytes = round_up(bytes == 0 ? 1 : bytes, GRAIN);
    if (align < GRAIN)
        align = GRAIN;
    struct segment *segment = fit_choose(&list->fit, bytes, phase, align);
    if (segment == NULL)
        return NULL;
    struct freelist_arena *arena = segment->arena;
    size_t gap = fit_gap(segment, bytes, phase, align);
    struct segment *own = gap == 0 ? segment : pool_take(list->segments);
    if (own == NULL)
        return NULL;
    size_t rest = segment->bytes - gap - bytes;
    struct segment *tail = rest == 0 ? NULL : pool_take(list->segments);

    fit_remove(&list->fit, segment);
    list->free_segments--;
    begin_change(arena);
    if (gap != 0) {
        size_t whole = segment->bytes;
        STORE(segment->bytes, gap);
        link_after(arena, segment, own, segment->start + gap, whole - gap);
        fit_insert(&list->fit, segment);
        list->free_segments++;
    }
    if (tail != NULL) {
        STORE(own->bytes, bytes);
        link_after(arena, own, tail, own->start + bytes, rest);
        fit_insert(&list->fit, tail);
        list->free_segments++;
    }
    STORE(own->used, true);
    end_change(arena);
    list->stale = note_fresh(own);
    list->used_bytes += own->bytes;
    list->used_segments++;
    fit_moved(&list->fit, own->start + own->bytes);
    return own;
}

struct segment *freelist_free(struct freelist *list, struct segment *segment)
{
    struct freelist_arena *arena = segment->arena;
    list->used_bytes -= segment->bytes;
    list->used_segments--;
    begin_change(arena);
    STORE(segment->used, false);
    struct segment *next = segment->next, *prev = segment->prev;
    if (next != NULL && !next->used) {
        fit_remove(&list->fit, next);
        list->free_segments--;
        STORE(segment->bytes, segment->bytes + next->bytes);
        unlink_segment(list, next);
    }
    if (prev != NULL && !prev->used) {
        fit_remove(&list->fit, prev);
        list->free_segments--;
        STORE(prev->bytes, prev->bytes + segment->bytes);
        unlink_segment(list, segment);
        segment = prev;
    }
    end_change(arena);
    fit_insert(&list->fit, segment);
    list->free_segments++;
    fit_joined(&list->fit, segment->start, segment->start + segment->bytes);
    return segment;
}

/* Moves the border between a segment in use and the free one above it. */
static void move_border(struct freelist *list, struct segment *segment, struct segment *free, size_t bytes)
{
    struct freelist_arena *arena = segment->arena;
    size_t both = segment->bytes + free->bytes;
    fit_remove(&list->fit, free);
    begin_change(arena);
    STORE(segment->bytes, bytes);
    if (both == bytes) {
        unlink_segment(list, free);
        list->free_segments--;
        end_change(arena);
        return;
    }
    index_remove(arena, free);
    STORE(free->start, segment->start + bytes);
    STORE(free->bytes, both - bytes);
    index_add(arena, free);
    end_change(arena);
    fit_insert(&list->fit, free);
    fit_joined(&list->fit, free->start, free->start + free->bytes);
}

bool freelist_resize(struct freelist *list, struct segment *segment, size_t bytes)
{
    if (bytes > ROOM_MAX / 2)
        return false;
    bytes = round_up(bytes == 0 ? 1 : bytes, GRAIN);
    size_t before = segment->bytes;
    struct segment *next = segment->next;
    bool next_free = next != NULL && !next->used;
    if (bytes > before) {
        if (!next_free || next->bytes < bytes - before)
            return false;
        move_border(list, segment, next, bytes);
        note_fresh(segment);
    } else if (bytes < before && next_free) {
        move_border(list, segment, next, bytes);
    } else if (bytes < before) {
        struct segment *rest = pool_take(list->segments);
        if (rest == NULL)
            return true;        /* it stays as large as it was */
        begin_change(segment->arena);
        STORE(segment->bytes, bytes);
        link_after(segment->arena, segment, rest, segment->start + bytes, before - bytes);
        end_change(segment->arena);
        fit_insert(&list->fit, rest);
        list->free_segments++;
    }
    list->used_bytes += segment->bytes - before;
    return true;
}

size_t freelist_discard(struct freelist_arena *arena, const struct heap_hooks *hooks, size_t page_size)
{
    size_t given = 0;
    for (struct segment *segment = arena->first; segment != NULL; segment = segment->next) {
        size_t start = (size_t)(segment->start - arena->base), end = start + segment->bytes;
        if (segment->used || start >= arena->fresh)
            continue;
        if (end > arena->fresh)
            end = arena->fresh;
        uintptr_t first = round_up((uintptr_t)arena->base + start, page_size);
        uintptr_t last = round_up((uintptr_t)arena->base + end, page_size);     /* the page at the end is fresh above it, */
        if (last > (uintptr_t)segment->start + segment->bytes)                  /* unless the segment ends there */
            last = ((uintptr_t)segment->start + segment->bytes) & ~(page_size - 1);
        if (first >= last)
            continue;
        hooks->discard(hooks->ctx, (void *)first, last - first);
        given += last - first;
    }
    return given;
}

/* ---- checks ---- */

void freelist_arena_consistent(const struct freelist_arena *arena, struct freelist_count *count, struct check *check)
{
    const struct segment *before = NULL;
    const char *at = arena->base;
    size_t last_cell = SIZE_MAX, filled = 0;
    for (const struct segment *segment = arena->first; segment != NULL; before = segment, segment = segment->next) {
        check_equal(check, "freelist", "start of the segment", (uintptr_t)segment->start, "end of the one before", (uintptr_t)at);
        check_equal(check, "freelist", "link back", (uintptr_t)segment->prev, "segment before", (uintptr_t)before);
        check_that(check, segment->bytes != 0 && segment->bytes % GRAIN == 0, "freelist: bytes of a segment", segment->bytes);
        check_that(check, segment->arena == arena, "freelist: segment of another arena, start", (uintptr_t)segment->start);
        if (before != NULL)
            check_that(check, before->used || segment->used, "freelist: two free segments side by side, start", (uintptr_t)segment->start);
        size_t cell = cell_of(arena, segment->start);
        if (cell != last_cell) {
            check_equal(check, "freelist", "segment in the cell", (uintptr_t)arena->cells[cell], "first segment that starts there", (uintptr_t)segment);
            check_that(check, bit_get(arena->filled, cell) && bit_get(arena->summary, cell / 64), "freelist: cell is not marked filled", cell);
            last_cell = cell;
            filled++;
        }
        if (segment->used) {
            count->used_segments++;
            count->used_bytes += segment->bytes;
        } else {
            count->free_segments++;
            if (segment->bytes > count->largest)
                count->largest = segment->bytes;
        }
        at += segment->bytes;
    }
    count->arena_bytes += arena->bytes;
    check_equal(check, "freelist", "end of the last segment", (uintptr_t)at, "end of the arena", (uintptr_t)arena->base + arena->bytes);
    size_t words = bit_words(cells_of(arena->bytes)), marked = 0;
    for (size_t i = 0; i < words; i++) {
        marked += bit_count(arena->filled[i]);
        check_equal(check, "freelist", "summary bit", bit_get(arena->summary, i), "word is not empty", arena->filled[i] != 0);
    }
    check_equal(check, "freelist", "cells marked filled", marked, "cells with a segment", filled);
    check_equal(check, "freelist", "version is odd", arena->version & 1, "expected", 0);
}

void freelist_consistent(struct freelist *list, const struct freelist_count *count, struct check *check)
{
    check_equal(check, "freelist", "bytes in use", list->used_bytes, "counted", count->used_bytes);
    check_equal(check, "freelist", "segments in use", list->used_segments, "counted", count->used_segments);
    check_equal(check, "freelist", "free segments", list->free_segments, "counted", count->free_segments);
    check_equal(check, "freelist", "free segments", list->free_segments, "in the policy's set", fit_consistent(&list->fit, check));
    check_equal(check, "freelist", "free bytes", list->fit.free_bytes, "arenas less what is in use", count->arena_bytes - count->used_bytes);
    check_equal(check, "freelist", "bytes of arenas", list->arena_bytes, "counted", count->arena_bytes);
    check_equal(check, "freelist", "largest free", freelist_largest(list), "largest counted", count->largest);
    pool_consistent(list->segments, check);
}
