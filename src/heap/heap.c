/* The composed heap: requests go to an engine by size and alignment, and back to the one that their region names.
 *
 *    room ≤ 2 KiB    slab      rounded to a size class: steps of 16 up to 256, then 8 to each doubling       magazine.h, slab.h
 *    ≤ 128 KiB       freelist  exact                                                                         medium.h
 *    ≤ 1 MiB         buddy     a power of two                                                                large.h
 *    above           huge      whole pages of its own                                                        huge.h
 *
 * 1. The hot path of allocation takes a slot from the calling thread's magazine: no lock, no line that another thread writes. It
 *    notes in the slot's state how much was asked for, and that is all the bookkeeping there is.
 * 2. An alignment is served by the first size class whose stride is a multiple of it; what no class serves goes on to the next
 *    engine, as does a request for which an engine finds no memory.
 * 3. Freeing puts the slot in the freeing thread's magazine, whoever allocated it.
 * 4. Look-up goes from the page map to the region, whose engine knows the slot.
 *
 * A region's descriptor tells its engine and stays what it is for ever (type-stable), so that a look-up of any address at any
 * time reads a descriptor or nothing.
 *
 * Limits: a thread interrupted inside the heap must not enter it again on the same magazines: the `magazine` hook answers NULL
 * then, and locks that the interrupted thread may hold are the caller's concern. */
#include "heap/quick.h"

#include "heap/port.h"

static slab_round take_round(struct heap *heap, unsigned class, struct magazines *own)
{
    slab_round round = own == NULL ? 0 : magazine_pop(&own->pairs[class]);
    return LIKELY(round != 0) ? round : magazine_reload(&heap->depots[class], &heap->magazines, own);
}

/* class: of either set. */
static bool slab_alloc(struct heap *heap, unsigned class, size_t room, struct heap_block *block)
{
    struct magazines *own = magazines_of(&heap->magazines);
    slab_round round = take_round(heap, class, own);
    if (UNLIKELY(round == 0))
        return false;
    quick_use(round, room, heap->config.slab_tag_bytes, block);
    return true;
}

static void slab_free(struct heap *heap, const struct heap_block *block)
{
    struct slab *slab = (struct slab *)block->region;
    if (UNLIKELY(slab_state(slab, block->slot) == 0))
        return;
    struct magazines *own = magazines_of(&heap->magazines);
    if (UNLIKELY(own == NULL || !quick_give(own, block))) {
        slab_set_state(slab, block->slot, 0);
        magazine_unload(&heap->depots[slab->number], &heap->magazines, own, round_make(slab, block->slot));
    }
}

/* The first class that holds the room and has the alignment. heap->classes: none. */
static unsigned class_for(const struct heap *heap, size_t room, size_t align)
{
    unsigned class = heap->class_of[(room + GRAIN - 1) / GRAIN];
    if (LIKELY(align <= GRAIN))
        return class;
    if (align > heap->slab_align_max)
        return heap->classes;
    while (class < heap->classes && slab_align(heap->depots[class].cache.stride, heap->config.page_size) < align)
        class++;
    return class;
}

/* What the engines above slab make of it. */
static __attribute__((noinline)) bool alloc_larger(struct heap *heap, size_t room, size_t align, struct heap_block *block)
{
    const struct heap_config *config = &heap->config;
    if (room > ROOM_MAX || align > ROOM_MAX)
        return false;
    /* An engine takes what fits with its alignment's worst gap, as far as the alignment is no matter of course. */
    size_t widest = align > GRAIN ? (room < ROOM_MAX - align ? room + align : ROOM_MAX) : room;
    if (room <= config->freelist_max && widest <= 2 * config->freelist_max && medium_alloc(&heap->medium, room, align, block))
        return true;
    if (room <= config->buddy_max && widest <= 2 * config->buddy_max && large_alloc(&heap->large, room, align, block))
        return true;
    return huge_alloc(&heap->huge, room, align, block);
}

/* An alignment below GRAIN is that. false: it is no power of two. */
static inline bool ordinary(size_t *room, size_t *align)
{
    if (UNLIKELY(*room == 0))
        *room = 1;
    if (UNLIKELY(*align < GRAIN))
        *align = GRAIN;
    return LIKELY(is_power_of_two(*align));
}

/* set: 0, or the first class of the set apart. */
static inline bool alloc_from(struct heap *heap, size_t room, size_t align, unsigned set, struct heap_block *out)
{
    if (!ordinary(&room, &align))
        return false;
    if (LIKELY(room <= heap->config.slab_max)) {
        unsigned class = class_for(heap, room, align);
        if (LIKELY(class < heap->classes) && LIKELY(slab_alloc(heap, class + set, room, out)))
            return true;
    }
    return alloc_larger(heap, room, align, out);
}

bool heap_alloc(struct heap *heap, size_t room, size_t align, struct heap_block *out)
{
    return alloc_from(heap, room, align, 0, out);
}

bool heap_alloc_apart(struct heap *heap, size_t room, size_t align, struct heap_block *out)
{
    return alloc_from(heap, room, align, quick_set_apart(heap), out);
}

bool heap_alloc_placed(struct heap *heap, size_t room, size_t align, struct heap_block *out)
{
    return ordinary(&room, &align) && alloc_larger(heap, room, align, out);
}

bool heap_is_apart(const struct heap *heap, const struct heap_block *block)
{
    return quick_is_apart(heap, block);
}

void heap_free(struct heap *heap, const struct heap_block *block)
{
    switch (block->region->engine) {
    case HEAP_SLAB: slab_free(heap, block); break;
    case HEAP_FREELIST: medium_free(&heap->medium, block); break;
    case HEAP_BUDDY: large_free(&heap->large, block); break;
    case HEAP_HUGE: huge_free(&heap->huge, block); break;
    default: break;
    }
}

bool heap_resize(struct heap *heap, struct heap_block *block, size_t room)
{
    if (room == 0)
        room = 1;
    if (room > ROOM_MAX)
        return false;
    switch (block->region->engine) {
    case HEAP_SLAB:
        if (room > block->region->stride)
            return false;
        slab_set_state((struct slab *)block->region, block->slot, block->region->stride - (uint32_t)room + 1);
        block->room = block->region->stride;
        return true;
    case HEAP_FREELIST: return medium_resize(&heap->medium, block, room);
    case HEAP_BUDDY: return large_resize(&heap->large, block, room);
    case HEAP_HUGE: return huge_resize(&heap->huge, block, room);
    default: return false;
    }
}

bool heap_find(struct heap *heap, const void *address, struct heap_block *block)
{
    struct heap_region *region = pages_owner(&heap->pages, address);
    if (region == NULL)
        return false;
    switch (LOAD(region->engine)) {
    case HEAP_SLAB: return slab_find((struct slab *)region, address, heap->config.slab_tag_bytes, block);
    case HEAP_FREELIST: return medium_find(&heap->medium, region, address, block);
    case HEAP_BUDDY: return large_find(&heap->large, region, address, block);
    case HEAP_HUGE: return huge_find(&heap->huge, region, address, block);
    default: return false;
    }
}

/* Of a slab's block a round with this bit set; of others the start, 16 bits up. Addresses have 48 bits (see heap_owns). */
#define HANDLE_SLAB 0x8000u

heap_handle heap_handle_of(const struct heap_block *block)
{
    if (block->region->engine == HEAP_SLAB)
        return round_make((const struct slab *)block->region, block->slot) | HANDLE_SLAB;
    return (uint64_t)(uintptr_t)block->start << 16;
}

bool heap_from_handle(struct heap *heap, heap_handle handle, struct heap_block *block)
{
    if (UNLIKELY(!(handle & HANDLE_SLAB)))
        return heap_find(heap, (const void *)(uintptr_t)((int64_t)handle >> 16), block) && block->used;
    struct slab *slab = round_slab(handle);
    slab_fill_block(slab, round_slot(handle), heap->config.slab_tag_bytes, block);
    block->used = true;
    block->zeroed = false;
    return true;
}

#define PREFETCH_LINE 64u
#define PREFETCH_LINES 8u

void heap_prefetch(const struct heap *heap, heap_handle handle)
{
    if (!(handle & HANDLE_SLAB))
        return;
    const struct slab *slab = round_slab(handle);
    uint32_t slot = round_slot(handle), stride = slab->region.stride;
    const char *start = slab_address(slab, slot);
    size_t last = stride - 1;
    __builtin_prefetch((char *)slab->region.tags + (size_t)slot * heap->config.slab_tag_bytes, 1);
    __builtin_prefetch((char *)slab->state + (stride <= SLAB_NARROW_MAX ? slot : 2 * (size_t)slot), 1);
    __builtin_prefetch(start);
    __builtin_prefetch(start + (last < PREFETCH_LINE ? last : PREFETCH_LINE));
    __builtin_prefetch(start + (last < PREFETCH_LINES * PREFETCH_LINE ? last : PREFETCH_LINES * PREFETCH_LINE));
    if (last < 2 * PREFETCH_LINE)
        return;
    /* Of sizes in turn a loop's end is a wrong guess, so all of them are asked for, and the last line more than once. */
    _Pragma("GCC unroll 8")
    for (size_t line = 2; line < PREFETCH_LINES; line++)
        __builtin_prefetch(start + (last < line * PREFETCH_LINE ? last : line * PREFETCH_LINE));
}

bool heap_owns(const struct heap *heap, const void *address)
{
    /* The map ignores the top 16 bits; all memory that a port gives has the same ones as the heap itself. */
    return ((uintptr_t)address ^ (uintptr_t)heap) >> 48 == 0 && pagemap_get(&heap->pages.map, address) != 0;
}

static void drain(struct heap *heap, struct magazines *magazines) { magazines_drain(magazines, &heap->magazines, heap->depots, heap->depots_used); }

void heap_thread_end(struct heap *heap)
{
    void **word = heap->hooks.magazine == NULL ? NULL : heap->hooks.magazine(heap->hooks.ctx);
    if (word == NULL || *word == NULL)
        return;
    struct magazines *magazines = *word;
    *word = NULL;
    drain(heap, magazines);
}

void heap_thread_gone(struct heap *heap, void *magazine)
{
    if (magazine != NULL)
        drain(heap, magazine);
}

size_t heap_trim(struct heap *heap)
{
    heap_thread_end(heap);      /* the caller's magazines; the next use makes new ones */
    for (unsigned class = 0; class < heap->depots_used; class++)
        magazine_depot_trim(&heap->depots[class], &heap->magazines, 0);
    size_t given = medium_trim(&heap->medium);
    given += large_trim(&heap->large);
    given += pages_trim(&heap->pages);
    return given + meta_trim(&heap->meta);
}
