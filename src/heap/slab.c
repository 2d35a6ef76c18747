/* Slab: objects of one size.
 *
 *    run      ┌──────┬────────┬────────┬────────┬─ ─ ─┬────────┬────┐
 *    (pages)  │offset│ slot 0 │ slot 1 │ slot 2 │     │ slot n │tail│      offset: so that slots have the alignment of their stride
 *             └──────┴────────┴────────┴────────┴─ ─ ─┴────────┴────┘
 *    array    ┌─ tags: n × tag_bytes ─┬─ taken: n bits ─┬─┬─ state: n × 1 or 2 bytes ─┐  (meta, exactly as long as needed; state on a line)
 *
 * 1. A slab is opened by taking a run, an array for its bookkeeping and a descriptor, entering the run in the page map and
 *    announcing the region.
 * 2. Taking finds clear bits in `taken`, word by word, lowest first, in the first partial slab, else an empty one, else a new one.
 * 3. Giving back clears the bit; the slab moves between the lists full, partial and empty as its count says. More than KEEP empty
 *    slabs of a cache are closed, their pages go back.
 * 4. `taken` says what has left the slab and is guarded by the cache's lock. `state` says what a user has, and is written by
 *    whoever takes a slot from a magazine, without a lock: one byte that holds "in use" and the size asked for. So figures of
 *    fragmentation are exact and cost the hot path nothing but that byte.
 * 5. Look-up divides the offset by the stride with a multiplication, and holds only if the region's version is the same before
 *    and after.
 *
 * Limits: one size per cache; at most 32,767 slots. */
#include "heap/slab.h"

#include "heap/port.h"

#define KEEP_EMPTY 1u
#define SLOTS_WANTED 1024u
#define RUN_MIN ((size_t)64 << 10)
#define RUN_USUAL ((size_t)256 << 10)
#define SLOTS_LEAST 16u
#define SLOTS_MAX ROUND_SLOT_MASK

void slab_source_init(struct slab_source *source, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, size_t tag_bytes,
                      size_t phase, size_t run_max)
{
    source->hooks = hooks;
    source->meta = meta;
    source->pages = pages;
    source->tag_bytes = tag_bytes;
    source->phase = phase;
    source->run_max = run_max;
    pool_init(&source->slabs, &meta->objects, round_up(sizeof(struct slab), 64), 64, offsetof(struct slab, next));
}

/* A run of about 1,000 slots, at least 64 KiB, at most 256 KiB or what 16 slots take. */
static size_t run_bytes_for(uint32_t stride, size_t page_size, size_t run_max)
{
    size_t bytes = (size_t)1 << log2_ceil((size_t)stride * SLOTS_WANTED);
    if (bytes < RUN_MIN)
        bytes = RUN_MIN;
    if (bytes > RUN_USUAL)
        bytes = RUN_USUAL;
    while (bytes / stride < SLOTS_LEAST)
        bytes *= 2;
    if (bytes > run_max)
        bytes = run_max;
    return bytes < page_size ? page_size : bytes;
}

void slab_cache_init(struct slab_cache *cache, struct slab_source *source, uint32_t stride, uint32_t number)
{
    cache->source = source;
    cache->stride = stride;
    cache->run_bytes = run_bytes_for(stride, source->pages->page_size, source->run_max);
    cache->offset = (uint32_t)align_gap(0, source->phase, slab_align(stride, source->pages->page_size));
    cache->slots = (uint32_t)((cache->run_bytes - cache->offset) / stride);
    if (cache->slots > SLOTS_MAX)
        cache->slots = SLOTS_MAX;
    cache->reciprocal = (uint32_t)(((uint64_t)1 << 31) / (stride / GRAIN) + 1);
    cache->number = number;
    cache->construct = NULL;
    cache->construct_ctx = NULL;
    cache->partial = cache->full = cache->empty = NULL;
    cache->slabs = cache->empties = 0;
}

/* ---- lists ---- */

static struct slab **list_of(struct slab_cache *cache, const struct slab *slab)
{
    return slab->free == 0 ? &cache->full : slab->free == cache->slots ? &cache->empty : &cache->partial;
}

static void link_slab(struct slab **list, struct slab *slab)
{
    slab->prev = NULL;
    slab->next = *list;
    if (*list != NULL)
        (*list)->prev = slab;
    *list = slab;
}

static void unlink_slab(struct slab **list, struct slab *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        *list = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
}

/* ---- opening and closing ---- */

static struct slab *open_slab(struct slab_cache *cache)
{
    struct slab_source *source = cache->source;
    uint32_t slots = cache->slots;
    size_t tags = slots * source->tag_bytes, taken = bit_words(slots) * 8, state = cache->stride <= SLAB_NARROW_MAX ? slots : 2 * (size_t)slots;
    size_t state_at = round_up(tags + taken, META_ALIGN);  /* a magazine's worth of slots is a line, or two */
    struct slab *slab = meta_take(source->meta, &source->slabs);
    if (slab == NULL)
        return NULL;
    STORE(slab->region.version, slab->region.version | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    char *book = meta_alloc(source->meta, state_at + state);
    if (book == NULL)
        goto give_slab;
    if (!pages_take(source->pages, cache->run_bytes, &slab->run))
        goto free_book;
    slab->region.base = slab->run.start + cache->offset;
    slab->region.bytes = (size_t)slots * cache->stride;
    slab->region.tags = book;
    slab->region.stride = cache->stride;
    slab->region.slots = slots;
    slab->region.engine = HEAP_SLAB;
    slab->taken = (uint64_t *)(book + tags);
    slab->state = book + state_at;
    slab->reciprocal = cache->reciprocal;
    slab->number = cache->number;
    slab->cache = cache;
    slab->free = slots;
    slab->hint = slab->fresh = 0;
    if (!pages_own(source->pages, slab->run.start, slab->run.bytes, &slab->region))
        goto give_run;
    if (!port_region_opened(source->hooks, &slab->region))
        goto disown;
    cache->slabs++;
    cache->empties++;
    link_slab(&cache->empty, slab);
    return slab;

disown:
    pages_disown(source->pages, slab->run.start, slab->run.bytes);
give_run:
    pages_give(source->pages, &slab->run);
free_book:
    meta_free(source->meta, book);
give_slab:
    meta_give(source->meta, &source->slabs, slab);
    return NULL;
}

static void close_slab(struct slab_cache *cache, struct slab *slab)
{
    struct slab_source *source = cache->source;
    unlink_slab(&cache->empty, slab);
    cache->slabs--;
    cache->empties--;
    port_region_closed(source->hooks, &slab->region);
    pages_disown(source->pages, slab->run.start, slab->run.bytes);
    pages_give(source->pages, &slab->run);
    meta_free(source->meta, slab->region.tags);
    meta_give(source->meta, &source->slabs, slab);
}

void slab_close_empties(struct slab_cache *cache, uint32_t keep)
{
    while (cache->empties > keep)
        close_slab(cache, cache->empty);
}

/* ---- slots ---- */

static slab_round take_slot(struct slab_cache *cache, struct slab *slab, uint32_t slot)
{
    slab_round round = round_make(slab, slot);
    if (slot < slab->fresh)
        return round;
    slab->fresh = slot + 1;
    if (cache->construct != NULL) {
        cache->construct(cache->construct_ctx, slab_address(slab, slot), cache->stride);
        return round;
    }
    return slab->run.zeroed ? round | ROUND_FRESH : round;
}

/* Takes up to n slots of one slab that has some. */
static uint32_t take_from(struct slab_cache *cache, struct slab *slab, slab_round *rounds, uint32_t n)
{
    struct slab **before = list_of(cache, slab);
    uint32_t got = 0, words = (uint32_t)bit_words(cache->slots);
    for (uint32_t word = slab->hint; word < words && got < n; word++) {
        uint32_t in_word = cache->slots - word * 64;
        uint64_t clear = ~slab->taken[word] & (in_word < 64 ? (1ull << in_word) - 1 : ~0ull), left = clear;
        slab->hint = word;
        for (; left != 0 && got < n; left &= left - 1)
            rounds[got++] = take_slot(cache, slab, word * 64 + (uint32_t)__builtin_ctzll(left));
        slab->taken[word] |= clear ^ left;
    }
    slab->free -= got;
    struct slab **after = list_of(cache, slab);
    if (after != before) {
        cache->empties -= before == &cache->empty;
        unlink_slab(before, slab);
        link_slab(after, slab);
    }
    return got;
}

uint32_t slab_take(struct slab_cache *cache, slab_round *rounds, uint32_t n)
{
    uint32_t got = 0;
    while (got < n) {
        struct slab *slab = cache->partial != NULL ? cache->partial : cache->empty;
        if (slab == NULL && got != 0)
            break;              /* enough to go on with */
        if (slab == NULL)
            slab = open_slab(cache);
        if (slab == NULL)
            break;
        got += take_from(cache, slab, rounds + got, n - got);
    }
    return got;
}

/* The slab got a slot back: it was full, or is empty now, or both. */
static __attribute__((noinline)) void change_list(struct slab_cache *cache, struct slab *slab, bool was_full)
{
    struct slab **after = list_of(cache, slab);
    cache->empties += after == &cache->empty;
    unlink_slab(was_full ? &cache->full : &cache->partial, slab);
    link_slab(after, slab);
    if (after == &cache->empty && cache->empties > KEEP_EMPTY)
        close_slab(cache, slab);
}

void slab_give(struct slab_cache *cache, const slab_round *rounds, uint32_t n)
{
    bool narrow = slab_is_narrow(cache->stride);
    uint32_t slots = cache->slots;
    for (uint32_t i = 0; i < n; i++) {
        struct slab *slab = round_slab(rounds[i]);
        uint32_t slot = round_slot(rounds[i]), word = slot / 64;
        uint64_t bit = 1ull << slot % 64, taken = slab->taken[word];
        if (UNLIKELY(!(taken & bit)) || UNLIKELY(slab_state_of(slab, slot, narrow) != 0))
            continue;           /* of a thread that ended in the middle of an operation: the slot is elsewhere, or lost */
        slab->taken[word] = taken ^ bit;
        if (word < slab->hint)
            slab->hint = word;
        uint32_t free = ++slab->free;
        if (UNLIKELY(free == 1) || UNLIKELY(free == slots))
            change_list(cache, slab, free == 1);
    }
}

bool slab_find(struct slab *slab, const char *address, size_t tag_bytes, struct heap_block *block)
{
    for (;;) {
        uint32_t version = LOAD_ACQUIRE(slab->region.version);
        if (version & 1)
            return false;
        size_t offset = (size_t)((uintptr_t)address - (uintptr_t)LOAD(slab->region.base));
        if (offset >= LOAD(slab->region.bytes))
            return false;
        slab_fill_block(slab, slab_slot_of(offset, LOAD(slab->reciprocal)), tag_bytes, block);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (UNLIKELY(LOAD(slab->region.version) != version))
            continue;           /* the state's address and the slot must be of the same region before it is read */
        block->used = slab_state(slab, block->slot) != 0;
        block->zeroed = false;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (LIKELY(LOAD(slab->region.version) == version))
            return true;
    }
}

/* ---- figures and checks ---- */

static void count_slab(const struct slab *slab, struct heap_engine_stats *stats)
{
    uint32_t stride = slab->region.stride, run = 0, longest = 0;
    for (uint32_t slot = 0; slot < slab->region.slots; slot++) {
        uint32_t state = slab_state(slab, slot);
        if (state == 0) {
            run++;
            continue;
        }
        longest = run > longest ? run : longest;
        run = 0;
        stats->blocks++;
        stats->occupied += stride;
        stats->requested += stride - (state - 1);
    }
    longest = run > longest ? run : longest;
    if ((uint64_t)longest * stride > stats->largest_free)
        stats->largest_free = (uint64_t)longest * stride;
}

void slab_stats(const struct slab_cache *cache, struct heap_engine_stats *stats)
{
    const struct slab *lists[3] = {cache->partial, cache->full, cache->empty};
    uint64_t occupied = stats->occupied;
    for (int i = 0; i < 3; i++)
        for (const struct slab *slab = lists[i]; slab != NULL; slab = slab->next)
            count_slab(slab, stats);
    uint64_t mapped = (uint64_t)cache->slabs * cache->run_bytes;
    stats->mapped += mapped;
    stats->free_bytes += mapped - (stats->occupied - occupied);
}

static uint32_t check_list(const struct slab_cache *cache, const struct slab *list, uint32_t least, uint32_t most, struct check *check)
{
    uint32_t slabs = 0;
    const struct slab *before = NULL;
    for (const struct slab *slab = list; slab != NULL; before = slab, slab = slab->next) {
        uint32_t taken = 0;
        for (uint32_t slot = 0; slot < cache->slots; slot++) {
            bool out = bit_get(slab->taken, slot);
            taken += out;
            check_that(check, out || slab_state(slab, slot) == 0, "slab: slot in use but not taken", slot);
            check_that(check, slab_state(slab, slot) <= cache->stride, "slab: state of a slot", slab_state(slab, slot));
            check_that(check, !out || slot < slab->fresh, "slab: taken slot is above the fresh mark", slot);
            if (!out)
                check_that(check, slot / 64 >= slab->hint, "slab: free slot below the hint", slot);
        }
        check_equal(check, "slab", "slots not taken", cache->slots - taken, "free count", slab->free);
        check_that(check, slab->free >= least && slab->free <= most, "slab: in the wrong list, free slots", slab->free);
        check_equal(check, "slab", "link back", (uintptr_t)slab->prev, "slab before", (uintptr_t)before);
        check_equal(check, "slab", "owner of its pages", (uintptr_t)pages_owner(cache->source->pages, slab->region.base), "slab", (uintptr_t)&slab->region);
        check_equal(check, "slab", "version is odd", slab->region.version & 1, "expected", 0);
        slabs++;
    }
    return slabs;
}

void slab_consistent(const struct slab_cache *cache, struct check *check)
{
    uint32_t partial = check_list(cache, cache->partial, 1, cache->slots - 1, check);
    uint32_t full = check_list(cache, cache->full, 0, 0, check);
    uint32_t empty = check_list(cache, cache->empty, cache->slots, cache->slots, check);
    check_equal(check, "slab cache", "slabs in the lists", partial + full + empty, "slabs", cache->slabs);
    check_equal(check, "slab cache", "slabs in the list of empty ones", empty, "empties", cache->empties);
}
