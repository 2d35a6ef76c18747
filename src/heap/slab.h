/* Slab: caches of objects of one size, in slabs cut from page runs. An engine by itself; the magazines in front are magazine.h. */
#ifndef MIDDEN_HEAP_SLAB_H
#define MIDDEN_HEAP_SLAB_H

#include "heap/bits.h"
#include "heap/check.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/pages.h"

#define SLAB_STRIDE_MAX 32768u      /* largest size of an object */
#define SLAB_NARROW_MAX 240u        /* up to this stride a slot's state is one byte, above it two */

/* What all caches of a heap share. */
struct slab_source {
    const struct heap_hooks *hooks;
    struct meta *meta;
    struct pages *pages;
    size_t tag_bytes, phase;
    size_t run_max;             /* bytes: no slab is larger */
    struct pool slabs;          /* descriptors; guarded by the lock of `meta` */
};

struct slab {
    struct heap_region region;
    void *state;                /* per slot: 0 free, else 1 + bytes of the slot not asked for; uint8_t or uint16_t; atomic */
    uint32_t reciprocal;        /* see slab_slot_of; fixed for the cache */
    uint32_t number;            /* the cache's */
    /* up to here: what allocation, freeing and look-up read, one cache line that nobody writes while the slab is open */
    struct slab_cache *cache;
    uint32_t free;              /* slots whose bit in `taken` is clear */
    struct slab *next, *prev;   /* in one of the cache's lists */
    uint64_t *taken;            /* bit per slot: out of the slab, with a user or in a magazine */
    uint32_t hint;              /* no word of `taken` below this one has a clear bit */
    uint32_t fresh;             /* slots from here on were never taken */
    struct page_run run;
};

struct slab_cache {
    struct slab_source *source;
    uint32_t stride, slots;     /* of each slab */
    uint32_t offset;            /* of slot 0 in its run */
    uint32_t reciprocal;
    uint32_t number;            /* the caller's, for whoever has one slab of it in hand */
    size_t run_bytes;
    /* Optional: called once for each object, before it is taken for the first time; its state is kept while it is free. */
    void (*construct)(void *ctx, void *object, size_t bytes);
    void *construct_ctx;
    /* Guarded by the lock that the caller holds. */
    struct slab *partial, *full, *empty;
    uint32_t slabs, empties;
};

/* A round: a slot on its way between slab and user. */
#define ROUND_FRESH 0x8000u     /* the slot was never taken before, and its run is zero */
#define ROUND_SLOT_MASK 0x7fffu
typedef uint64_t slab_round;

static inline slab_round round_make(const struct slab *slab, uint32_t slot) { return (uint64_t)(uintptr_t)slab << 16 | slot; }
static inline struct slab *round_slab(slab_round round) { return (struct slab *)(uintptr_t)((int64_t)round >> 16); }
static inline uint32_t round_slot(slab_round round) { return (uint32_t)round & ROUND_SLOT_MASK; }
static inline bool round_is_fresh(slab_round round) { return (round & ROUND_FRESH) != 0; }

void slab_source_init(struct slab_source *source, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, size_t tag_bytes,
                      size_t phase, size_t run_max);

/* stride: a multiple of GRAIN, at most SLAB_STRIDE_MAX and run_max / 4. number: kept for the caller. */
void slab_cache_init(struct slab_cache *cache, struct slab_source *source, uint32_t stride, uint32_t number);

/* Largest alignment that every object of such a stride has. */
static inline size_t slab_align(uint32_t stride, size_t page_size)
{
    size_t align = low_bit(stride);
    return align < page_size ? align : page_size;
}

/* Takes up to n free slots, lowest addresses first; returns how many, 0: no memory. Caller holds the cache's lock. */
uint32_t slab_take(struct slab_cache *cache, slab_round *rounds, uint32_t n);

/* Gives slots back; each is free by its state. A slot that is not out is passed over. Caller holds the cache's lock. */
void slab_give(struct slab_cache *cache, const slab_round *rounds, uint32_t n);

/* Closes the empty slabs beyond `keep`. Caller holds the cache's lock. */
void slab_close_empties(struct slab_cache *cache, uint32_t keep);

/* Adds the cache's figures. Caller holds the cache's lock. Exact while no other thread allocates. O(slots). */
void slab_stats(const struct slab_cache *cache, struct heap_engine_stats *stats);

void slab_consistent(const struct slab_cache *cache, struct check *check);

static inline char *slab_address(const struct slab *slab, uint32_t slot) { return slab->region.base + (size_t)slot * slab->region.stride; }

/* offset / stride for an offset within a slab: both are below 2^20 and stride / 16 is at most 2^11, so
 * (offset / 16) * (2^31 / (stride / 16) + 1) >> 31 is exact. */
static inline uint32_t slab_slot_of(size_t offset, uint32_t reciprocal) { return (uint32_t)((offset / GRAIN) * (uint64_t)reciprocal >> 31); }

static inline bool slab_is_narrow(uint32_t stride) { return stride <= SLAB_NARROW_MAX; }

/* 0: free; else 1 + the bytes of the slot that were not asked for. narrow: slab_is_narrow() of the stride. */
static inline uint32_t slab_state_of(const struct slab *slab, uint32_t slot, bool narrow)
{
    return narrow ? LOAD(((uint8_t *)slab->state)[slot]) : LOAD(((uint16_t *)slab->state)[slot]);
}
static inline uint32_t slab_state(const struct slab *slab, uint32_t slot) { return slab_state_of(slab, slot, slab_is_narrow(slab->region.stride)); }

static inline void slab_set_state(const struct slab *slab, uint32_t slot, uint32_t state)
{
    if (LIKELY(slab_is_narrow(slab->region.stride)))
        STORE(((uint8_t *)slab->state)[slot], (uint8_t)state);
    else
        STORE(((uint16_t *)slab->state)[slot], (uint16_t)state);
}

/* What heap_alloc, heap_find hand out of a slot. */
static inline void slab_fill_block(struct slab *slab, uint32_t slot, size_t tag_bytes, struct heap_block *block)
{
    block->start = slab_address(slab, slot);
    block->room = slab->region.stride;
    block->tag = (char *)slab->region.tags + (size_t)slot * tag_bytes;
    block->region = &slab->region;
    block->slot = slot;
}

/* The slot around an address whose page the map gives to this slab. false: in none, or the slab is closing. Lock-free. */
bool slab_find(struct slab *slab, const char *address, size_t tag_bytes, struct heap_block *block);

#endif
