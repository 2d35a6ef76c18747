/* The heap's hot path as inline functions, for heap.c and for a caller that wants it compiled into its own.
 *
 * A slot of a slab comes from the calling thread's loaded magazine and goes back to it; all else (an empty or a full magazine, no
 * magazines yet, other engines, alignments above GRAIN) is refused here with nothing changed, and done by heap_alloc, heap_find and heap_free.
 *
 * What it touches: the thread's magazine, the slab's descriptor, read only, one byte of the slot's state. No line that another thread
 * writes on its own ordinary path. */
#ifndef MIDDEN_HEAP_QUICK_H
#define MIDDEN_HEAP_QUICK_H

#include "heap/internal.h"

/* Rooms up to here are served by slabs; 0: there are none. */
static inline size_t quick_room_max(const struct heap *heap) { return heap->config.slab_max; }

/* The block of a slab's slot. */
ALWAYS_INLINE void quick_block(struct heap_region *region, uint32_t slot, size_t tag_bytes, struct heap_block *block)
{
    slab_fill_block((struct slab *)region, slot, tag_bytes, block);
    block->used = true;
    block->zeroed = false;
}

/* The slot of a round becomes a block with `room` bytes asked for. tag_bytes: the config's slab_tag_bytes; a constant there spares a multiplication. */
ALWAYS_INLINE void quick_use(slab_round round, size_t room, size_t tag_bytes, struct heap_block *block)
{
    struct slab *slab = round_slab(round);
    uint32_t slot = round_slot(round);
    slab_fill_block(slab, slot, tag_bytes, block);
    slab_set_state(slab, slot, (uint32_t)block->room - (uint32_t)room + 1);
    block->used = true;
    block->zeroed = round_is_fresh(round);
}

/* The first class of the set apart; 0: there is none, and that is the first one of the usual set. */
ALWAYS_INLINE unsigned quick_set_apart(const struct heap *heap) { return heap->depots_used - heap->classes; }

/* true: the block is of a slab of the set apart. */
ALWAYS_INLINE bool quick_is_apart(const struct heap *heap, const struct heap_block *block)
{
    return block->region->engine == HEAP_SLAB && ((const struct slab *)block->region)->number >= heap->classes;
}

/* As heap_alloc for a room of 1 to config.slab_max bytes and the alignment that every block has. own: the thread's magazines. set: 0, or
 * quick_set_apart() for a block of that one. */
ALWAYS_INLINE bool quick_alloc(const struct heap *heap, struct magazines *own, unsigned set, size_t room, size_t tag_bytes, struct heap_block *block)
{
    struct magazine *loaded = own->pairs[heap->class_of[(room + GRAIN - 1) / GRAIN] + set].loaded;
    if (UNLIKELY(loaded == NULL) || UNLIKELY(loaded->count == 0))
        return false;
    quick_use(magazine_last(loaded), room, tag_bytes, block);
    return true;
}

/* Remembers the leaf of the page map for the chunk around an address. Returns the page's value; 0: none, or of a whole chunk. The caller makes
 * sure that no handler interrupts it which does the same. */
static __attribute__((noinline, unused)) uint64_t quick_meet(const struct heap *heap, struct magazines *own, const char *address)
{
    uintptr_t chunk = (uintptr_t)address >> PAGEMAP_CHUNK_SHIFT;
    const uint64_t *leaf = pagemap_leaf(&heap->pages.map, address);
    if (leaf == NULL)
        return 0;
    STORE(own->leaves[chunk % MAGAZINE_LEAVES].chunk, MAGAZINE_NO_CHUNK);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own->leaves[chunk % MAGAZINE_LEAVES].leaf = leaf;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    STORE(own->leaves[chunk % MAGAZINE_LEAVES].chunk, chunk);
    return LOAD_ACQUIRE(leaf[(uintptr_t)address >> PAGEMAP_UNIT_SHIFT & (PAGEMAP_CHILDREN - 1)]);
}

/* The region around an address in a chunk that the thread has met; NULL: there is none, or the chunk is new to it (or a handler changed the
 * entry in between: what is found then is a region that the address is not in). Any context. */
ALWAYS_INLINE struct heap_region *quick_region(const struct magazines *own, const char *address)
{
    uintptr_t chunk = (uintptr_t)address >> PAGEMAP_CHUNK_SHIFT;
    if (UNLIKELY(LOAD(own->leaves[chunk % MAGAZINE_LEAVES].chunk) != chunk))
        return NULL;
    uint64_t value = LOAD_ACQUIRE(own->leaves[chunk % MAGAZINE_LEAVES].leaf[(uintptr_t)address >> PAGEMAP_UNIT_SHIFT & (PAGEMAP_CHILDREN - 1)]);
    return UNLIKELY(value <= PAGES_HELD) ? NULL : (struct heap_region *)(uintptr_t)value;
}

/* As heap_find for an address in the region of a slab; block->used is not looked up. false: it lies in no slot, or the region changes. Lock-free,
 * any context. */
ALWAYS_INLINE bool quick_slot(struct heap_region *region, const char *address, size_t tag_bytes, struct heap_block *block)
{
    struct slab *slab = (struct slab *)region;
    uint32_t version = LOAD_ACQUIRE(region->version);
    size_t offset = (size_t)((uintptr_t)address - (uintptr_t)LOAD(region->base));
    slab_fill_block(slab, slab_slot_of(offset, LOAD(slab->reciprocal)), tag_bytes, block);
    bool within = offset < LOAD(region->bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    block->zeroed = block->used = false;
    /* An odd version, of a closed region, is never equal to what is asked for. */
    return LIKELY(within) && LIKELY(LOAD(region->version) == (version & ~1u));
}

/* The slot of a slab that begins `phase` bytes in front of `address`, which may be any. phase: less than the slot has. false: there is none, or it
 * takes a closer look. A chunk that is new to the thread is remembered. */
ALWAYS_INLINE bool quick_find(const struct heap *heap, struct magazines *own, const char *address, size_t phase, size_t tag_bytes,
                              struct heap_block *block)
{
    struct heap_region *region = quick_region(own, address);
    if (UNLIKELY(region == NULL)) {
        uint64_t value = quick_meet(heap, own, address);
        region = value <= PAGES_HELD ? NULL : (struct heap_region *)(uintptr_t)value;
    }
    if (UNLIKELY(region == NULL) || UNLIKELY(LOAD(region->engine) != HEAP_SLAB) || UNLIKELY(!quick_slot(region, address, tag_bytes, block)))
        return false;
    /* A compiler that learnt what `address` equals could compute it anew from the slot where it is needed, and hold it nowhere until then; but who
     * looks at the thread's registers and stack meanwhile must find it there, for the block lives. */
    const char *begins = block->start + phase;
    __asm__("" : "+r"(begins));
    return LIKELY(begins == address);
}

/* As heap_resize for the block of a slab that is in use, to a room of 1 to block->room bytes. */
ALWAYS_INLINE void quick_resize(const struct heap_block *block, size_t room)
{
    slab_set_state((const struct slab *)block->region, block->slot, block->region->stride - (uint32_t)room + 1);
}

/* As heap_free for the block of a slab that is in use. */
ALWAYS_INLINE bool quick_give(struct magazines *own, const struct heap_block *block)
{
    const struct slab *slab = (const struct slab *)block->region;
    struct magazine *loaded = own->pairs[slab->number].loaded;
    if (UNLIKELY(loaded == NULL))
        return false;
    uint32_t count = loaded->count;
    if (UNLIKELY(count >= loaded->limit))
        return false;
    slab_set_state(slab, block->slot, 0);
    magazine_put(loaded, count, round_make(slab, block->slot));
    return true;
}

#endif
