/* What nearly every checked call comes to, as inline functions: the range lies in one living block, and that is all.
 *
 *     address ─▶ places[page of 4 KiB] ─┬▶ slab ─▶ slot ─▶ its record ─┬▶ LIVE, and as long as that?
 *                                       └▶ another block's record ─────┘
 *
 * Each thread remembers places by page, the last one that was met of those that fall on one entry. Nothing of that is believed: a slab's base,
 * extent and version tell whether the address is one of its, a record's address and size whether it is in that block. A record that has become
 * another block's meanwhile answers for that one. (Records are never unmapped. Where a region was given up, something else may lie in their
 * memory; if that looked like a record of a living block around the very address, a call would go unchecked, as it does when a block is freed
 * between check and call.)
 *
 * Nothing is called and nothing is written. What is not found here, or not so, is looked into by the functions of engine.h, which decide:
 * here is only said yes. Any context. */
#ifndef MIDDEN_ENGINE_INSIDE_H
#define MIDDEN_ENGINE_INSIDE_H

#include "engine.h"
#include "heap/quick.h"
#include "trace/threads.h"

#define INSIDE_PAGE_SHIFT 12
#define INSIDE_PLACES 32768u                /* 128 MiB of heap; memory as far as touched */
#define INSIDE_SLAB 1u

struct inside {
    uintptr_t places[INSIDE_PLACES];        /* a struct slab, + INSIDE_SLAB; or a struct record_placed; 0: none; atomic */
};

static inline size_t inside_place(uintptr_t address) { return address >> INSIDE_PAGE_SHIFT & (INSIDE_PLACES - 1); }

/* The head of the record of the slot of a slab that `address` lies in, and in *at how far behind the first byte of a block there. 0: it lies in
 * none, or the slab changes. (quick_slot with only what is needed here.) */
ALWAYS_INLINE uint64_t inside_slab(const struct slab *slab, uintptr_t address, uintptr_t *at)
{
    uint32_t version = LOAD_ACQUIRE(slab->region.version);
    uintptr_t offset = address - (uintptr_t)LOAD(slab->region.base);
    uint32_t slot = slab_slot_of(offset, LOAD(slab->reciprocal));
    const struct record_block *record = (const struct record_block *)LOAD(slab->region.tags) + slot;
    *at = offset - (uintptr_t)slot * LOAD(slab->region.stride) - ENGINE_FRONT;
    bool within = offset < LOAD(slab->region.bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (UNLIKELY(!within) || UNLIKELY(LOAD(slab->region.version) != (version & ~1u)))
        return 0;
    return __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
}

/* The head of the record of the block around `address`, or of none, and in *at how far behind its first byte; 0: not known. */
ALWAYS_INLINE uint64_t inside_head(const struct inside *inside, uintptr_t address, uintptr_t *at)
{
    uintptr_t place = __atomic_load_n(&inside->places[inside_place(address)], __ATOMIC_RELAXED);
    if (LIKELY(place & INSIDE_SLAB))
        return inside_slab((const struct slab *)(place - INSIDE_SLAB), address, at);
    const struct record_placed *placed = (const struct record_placed *)place;   /* records are never unmapped */
    if (UNLIKELY(!placed))
        return 0;
    uint64_t head = __atomic_load_n(&placed->block.head, __ATOMIC_ACQUIRE);
    *at = address - __atomic_load_n(&placed->address, __ATOMIC_RELAXED);
    return head;
}

/* What the calling thread remembers; NULL: nothing. */
ALWAYS_INLINE const struct inside *inside_own(void)
{
    const struct thread_state *self = thread_self_pointer;
    return LIKELY(self != NULL) ? self->inside : NULL;
}

/* Bytes from `address` to the end of the living block that it lies in; 0: that takes a closer look. */
ALWAYS_INLINE size_t inside_rest(const struct inside *own, uintptr_t address)
{
    if (UNLIKELY(!own))
        return 0;
    uintptr_t at = 0;
    uint64_t head = inside_head(own, address, &at), size = record_head_long_size(head);
    return LIKELY(record_head_state(head) == RECORD_BLOCK_LIVE) && LIKELY(at < size) ? (size_t)(size - at) : 0;
}

/* true: [start, start + n) lies in one living block. own: not NULL. */
ALWAYS_INLINE bool inside_block(const struct inside *own, const void *start, size_t n)
{
    uintptr_t at = 0, end;
    uint64_t head = inside_head(own, (uintptr_t)start, &at);
    return LIKELY(record_head_state(head) == RECORD_BLOCK_LIVE) && LIKELY(!__builtin_add_overflow(at, n, &end))
        && LIKELY(end <= record_head_long_size(head));
}

/* false: a range that may be the heap's is known to be fine. Objects that the program places itself may lie within blocks: then nothing is. */
ALWAYS_INLINE bool inside_unsure(const void *start, size_t n)
{
    const struct inside *own = inside_own();
    return UNLIKELY(__atomic_load_n(&engine_bounds.objects, __ATOMIC_RELAXED)) || UNLIKELY(!own) || UNLIKELY(!inside_block(own, start, n));
}

/* The same of two ranges of n bytes, when the first may be the heap's. */
ALWAYS_INLINE bool inside_unsure_of_two(const void *a, const void *b, size_t n)
{
    const struct inside *own = inside_own();
    return UNLIKELY(__atomic_load_n(&engine_bounds.objects, __ATOMIC_RELAXED)) || UNLIKELY(!own)
        || UNLIKELY(!inside_block(own, a, n)) || (engine_may_be_heap(b) && UNLIKELY(!inside_block(own, b, n)));
}

#endif
