/* Between the heap library and the record layout: the heap's hooks, the table of regions, the totals.
 *
 * The heap library keeps, for every slot, a tag out of band; here that tag is the block's record, so a block's record is found with the
 * block and costs no look-up of its own. It is a struct record_block of 24 bytes or, of a slab's slot where freed blocks get no stack (the
 * profiles leaks and production), a struct record_lean of 16. Each region of the heap is entered in the table of regions, from which a
 * reader walks all records.
 *
 * Totals: each thread counts in its own record, without sharing a cache line. Living bytes are gathered per thread and added to
 * the anchor when they reach BLOCKS_FOLD_BYTES either way. While the program has one thread they are added as well when they would
 * make a new peak, so that the peak is exact there and within BLOCKS_FOLD_BYTES times the threads otherwise. */
#include <sys/mman.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/table.h"
#include "check/quarantine.h"
#include "engine/publish.h"

#define SEQUENCE_BATCH QUARANTINE_RUN  /* what goes to the long queue is settled for each batch */
/* Once a program has shown that it needs much memory, the heap asks for more of it in huge pages, which are faulted in, cleared and copied at
 * a fork at once: before that, they would double the memory of small programs. Where freed blocks are held back no memory comes back
 * to the program before the quarantine is full: all that it allocates until then is memory never touched before, 4 KiB after 4 KiB,
 * which in a program of a tenth of a second took a tenth of its time. So there it is the first arena's first pages only that are small. */
#define HUGE_AFTER ((size_t)32 << 20)
#define HUGE_LEAST ((size_t)4 << 20)
#define SMALL_FIRST ((size_t)4 << 20)
#define ARENA_ALIGN ((size_t)2 << 20)   /* what the heap asks for when it is an arena that it wants, not a huge block's pages */
#define STACK_SPAN ((uintptr_t)8 << 20)

static struct lock regions_lock = LOCK_INIT(LOCK_RANK_REGIONS);
static uint32_t closed_regions;         /* entries free for use; guarded by regions_lock */
static uint32_t next_sequence;          /* atomic */
static size_t heap_mapped;              /* bytes of arenas and huge blocks; what was given back is not taken off; atomic */
static struct record_engine_stats engine_stats_record[RECORD_ENGINES];

_Static_assert(sizeof(struct heap_lock) == sizeof(struct lock), "the heap's locks are base/lock.h's");

/* ---- hooks ---- */

static void *hook_alloc_pages(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    char *pages = memory_map(bytes, align, RECORD_PURPOSE_HEAP);
    if (pages == NULL)
        return NULL;
    bool much = __atomic_fetch_add(&heap_mapped, bytes, __ATOMIC_RELAXED) >= HUGE_AFTER;
    if (much && bytes >= HUGE_LEAST)
        kernel.advise(pages, bytes, MADV_HUGEPAGE);
    else if (align >= ARENA_ALIGN && bytes > SMALL_FIRST && guard_setting.rear && config_of(OPTION_QUARANTINE))
        kernel.advise(pages + SMALL_FIRST, bytes - SMALL_FIRST, MADV_HUGEPAGE);
    return pages;
}

/* Bookkeeping and the blocks' records: within the limit that the user set. */
static void *hook_alloc_meta(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    return memory_map(bytes, align, RECORD_PURPOSE_RECORDS);
}

static void *hook_alloc_unrecorded(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    return memory_map(bytes, align, RECORD_PURPOSE_UNRECORDED);
}

static void hook_free_pages(void *ctx, void *pages, size_t bytes)
{
    (void)ctx;
    memory_unmap(pages, bytes);
}

static void hook_lock(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    lock_take((struct lock *)(void *)lock);
}

static void hook_unlock(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    lock_drop((struct lock *)(void *)lock);
}

/* The locks of the heaps that serve signal handlers, too: one that came while its own thread holds such a lock would wait for itself. So
 * no handler of the program runs meanwhile. These heaps serve seldom; two system calls are nothing. */
static _Thread_local uint32_t quiet_locks __attribute__((tls_model("initial-exec")));
static _Thread_local uint64_t mask_before __attribute__((tls_model("initial-exec")));

static void hook_lock_quietly(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    struct lock *taken = (struct lock *)(void *)lock;
    if (quiet_locks) {
        lock_take(taken);
    } else {
        uint64_t mask = lock_take_quietly(taken);
        mask_before = mask;
    }
    quiet_locks++;
}

static void hook_unlock_quietly(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    bool last = --quiet_locks == 0;
    uint64_t mask = mask_before;
    lock_drop((struct lock *)(void *)lock);
    if (last)
        kernel_signals_back(mask);
}

/* Around fork all heaps' locks are held at once, and a signal handler may take the reserve's while the thread it interrupted holds the others.
 * So each of these heaps has ranks of its own. */
static void rank_from(struct heap_lock *lock, uint32_t first)
{
    if (lock->rank < first)
        lock->rank += first - LOCK_RANK_HEAP;
}

static void hook_lock_reserve(void *ctx, struct heap_lock *lock)
{
    rank_from(lock, LOCK_RANK_RESERVE);
    hook_lock_quietly(ctx, lock);
}

static void hook_lock_unrecorded(void *ctx, struct heap_lock *lock)
{
    rank_from(lock, LOCK_RANK_UNRECORDED);
    hook_lock_quietly(ctx, lock);
}

static void **hook_magazine(void *ctx)
{
    (void)ctx;
    struct thread_state *self = thread_self_pointer;
    return self && self->depth == 1 ? &self->magazines : NULL;
}

static void hook_discard(void *ctx, void *pages, size_t bytes)
{
    (void)ctx;
    kernel.advise(pages, bytes, MADV_DONTNEED);
}

/* The bounds of all memory with blocks, for checked calls. A reader that sees one of them old misses a region that is just being opened. */
void blocks_extend_bounds(uintptr_t low, uintptr_t high)
{
    if (!engine_checks_calls())
        return;
    uintptr_t now = __atomic_load_n(&engine_bounds.low, __ATOMIC_RELAXED);
    while (low < now && !__atomic_compare_exchange_n(&engine_bounds.low, &now, low, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    now = __atomic_load_n(&engine_bounds.high, __ATOMIC_RELAXED);
    while (high > now && !__atomic_compare_exchange_n(&engine_bounds.high, &now, high, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

static void hook_protect(void *ctx, void *pages, size_t bytes, bool accessible)
{
    (void)ctx;
    kernel.protect(pages, bytes, accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static void hook_region_opened(void *ctx, struct heap_region *region)
{
    (void)ctx;
    struct record_table *table = anchor_table(RECORD_TABLE_REGIONS);
    struct record_region *entry = NULL;
    uint64_t mask = lock_take_quietly(&regions_lock);
    blocks_extend_bounds((uintptr_t)region->base, (uintptr_t)region->base + region->bytes);
    /* The buddy's arenas have a hole behind most blocks: in huge pages they would take several MiB that nobody needs. The free list's are
     * filled from one end. (Of a heap with more than its first arena that matters less than speed.) */
    if (region->engine == HEAP_BUDDY && __atomic_load_n(&heap_mapped, __ATOMIC_RELAXED) < 2 * HUGE_AFTER)
        kernel.advise(region->base, region->bytes, MADV_NOHUGEPAGE);
    uint64_t index = 0;
    if (closed_regions) {
        /* The closed entries form a list through `records`, which a reader ignores while the entry is not OPEN. */
        index = closed_regions;
        entry = table_at(table, index);
        closed_regions = (uint32_t)entry->records;
    } else {
        index = table_reserve(table, 1);
        entry = index ? table_known(table, index) : NULL;
    }
    if (entry) {
        entry->base = (uintptr_t)region->base;
        entry->bytes = region->bytes;
        entry->records = (uintptr_t)region->tags;
        entry->stride = region->stride;
        entry->slots = region->slots;
        entry->user_offset = (uint32_t)guard_setting.front;
        entry->record_bytes = !region->stride ? sizeof(struct record_placed)
                            : (uint32_t)slab_record_bytes();
        entry->engine = region->engine == HEAP_ENGINES ? RECORD_ENGINE_GUARDED : (uint16_t)region->engine;
        __atomic_store_n(&entry->state, RECORD_REGION_OPEN, __ATOMIC_RELEASE);
        if (index >= table->count)
            table_publish(table, index, 1);
        region->user = index;
    } else {
        region->user = HEAP_REFUSED;    /* no memory for the entry: no reader would see its blocks */
    }
    lock_drop_quietly(&regions_lock, mask);
}

static void hook_region_closed(void *ctx, struct heap_region *region)
{
    (void)ctx;
    struct record_region *entry = region->user ? table_at(anchor_table(RECORD_TABLE_REGIONS), region->user) : NULL;
    if (!entry)
        return;
    uint64_t mask = lock_take_quietly(&regions_lock);
    __atomic_store_n(&entry->state, RECORD_REGION_CLOSED, __ATOMIC_RELEASE);
    entry->records = closed_regions;
    closed_regions = (uint32_t)region->user;
    lock_drop_quietly(&regions_lock, mask);
}

const struct heap_hooks blocks_hooks = {
    .alloc_pages = hook_alloc_pages,
    .alloc_meta = hook_alloc_meta,
    .free_pages = hook_free_pages,
    .lock = hook_lock,
    .unlock = hook_unlock,
    .magazine = hook_magazine,
    .discard = hook_discard,
    .protect = hook_protect,
    .region_opened = hook_region_opened,
    .region_closed = hook_region_closed,
};

/* The reserve heap has no magazines: those belong to the thread that was interrupted. */
const struct heap_hooks blocks_reserve_hooks = {
    .alloc_pages = hook_alloc_pages,
    .free_pages = hook_free_pages,
    .lock = hook_lock_reserve,
    .unlock = hook_unlock_quietly,
    .discard = hook_discard,
    .protect = hook_protect,
    .region_opened = hook_region_opened,
    .region_closed = hook_region_closed,
};

/* No regions are announced: what has no records is not in the table. */
const struct heap_hooks blocks_unrecorded_hooks = {
    .alloc_pages = hook_alloc_unrecorded,
    .free_pages = hook_free_pages,
    .lock = hook_lock_unrecorded,
    .unlock = hook_unlock_quietly,
    .discard = hook_discard,
    .protect = hook_protect,
};

bool blocks_init(void)
{
    midden_anchor.engines = (uintptr_t)engine_stats_record;
    if (guard_setting.rear)     /* a profile that checks calls: nothing is in bounds yet */
        engine_bounds = (struct engine_bounds){UINTPTR_MAX, 1, STACK_SPAN, 0};
    return table_init(anchor_table(RECORD_TABLE_REGIONS), sizeof(struct record_region), 10, (uint64_t)1 << 26);
}

bool blocks_find(const void *address, struct place *place)
{
    place->guarded = false;
    place->owner = engine.heap;
    if (__builtin_expect(!heap_find(engine.heap, address, &place->block), 0)) {
        if (pageguard_find(address, &place->slot)) {
            place->guarded = true;
            place->record = &place->slot.record->block;
            place->address = (char *)(uintptr_t)place->slot.record->address;
            return place->address != NULL;
        }
        place->owner = engine.reserve;
        if (!engine.reserve || !heap_find(engine.reserve, address, &place->block)) {
            place->owner = engine.unrecorded;
            if (!engine.unrecorded || !heap_find(engine.unrecorded, address, &place->block) || !place->block.used)
                return false;
            place->record = NULL;
            place->address = place->block.start + guard_setting.front;
            return true;
        }
    }
    place->record = place->block.tag;
    place->address = place->block.start + guard_setting.front;
    return true;
}

bool blocks_size_by_records(const void *address, size_t *size)
{
    uintptr_t wanted = (uintptr_t)address;
    const struct record_table *regions = anchor_table(RECORD_TABLE_REGIONS);
    uint64_t n = __atomic_load_n(&regions->count, __ATOMIC_ACQUIRE);
    for (uint64_t i = 1; i < n; i++) {
        const struct record_region *region = table_at(regions, i);
        if (!region || __atomic_load_n(&region->state, __ATOMIC_ACQUIRE) != RECORD_REGION_OPEN || wanted - region->base >= region->bytes)
            continue;
        uint32_t slots = __atomic_load_n(&region->slots, __ATOMIC_ACQUIRE);
        const struct record_block *found = NULL;
        if (region->stride) {
            uint64_t offset = wanted - region->base - region->user_offset, slot = offset / region->stride;
            if (slot < slots && offset % region->stride == 0)
                found = (const struct record_block *)(uintptr_t)(region->records + slot * region->record_bytes);
        } else {
            const struct record_placed *placed = (const struct record_placed *)(uintptr_t)region->records;
            for (uint32_t slot = 0; slot < slots; slot++)
                if (__atomic_load_n(&placed[slot].address, __ATOMIC_ACQUIRE) == wanted
                    && record_head_state(__atomic_load_n(&placed[slot].block.head, __ATOMIC_ACQUIRE)) == RECORD_BLOCK_LIVE)
                    found = &placed[slot].block;
        }
        uint64_t head = found ? __atomic_load_n(&found->head, __ATOMIC_ACQUIRE) : 0;
        if (record_head_state(head) == RECORD_BLOCK_LIVE) {
            *size = record_head_size(head);
            return true;
        }
    }
    return false;
}

bool blocks_whole(const struct place *place, size_t size, struct guard_damage *damage)
{
    if (__builtin_expect(place->guarded, 0))
        return pageguard_whole(&place->slot, damage);
    struct guard_block guarded = blocks_guarded(place, size);
    return guard_whole(&guarded, damage);
}

bool blocks_whole_before(const struct place *place, size_t size, struct guard_damage *damage)
{
    if (place->guarded)
        return pageguard_whole_before(&place->slot, damage);
    struct guard_block guarded = blocks_guarded(place, size);
    return guard_whole_before(&guarded, damage);
}

void blocks_mend(const struct place *place, size_t size)
{
    if (place->guarded) {
        pageguard_mend(&place->slot);
    } else {
        struct guard_block guarded = blocks_guarded(place, size);
        guard_mend(&guarded, false);
    }
}

void blocks_announce_guarded(char *base, size_t bytes, struct record_placed *records, uint32_t slots)
{
    struct heap_region region = {
        .base = base, .bytes = bytes, .tags = records, .stride = 0, .slots = slots, .engine = HEAP_ENGINES, .user = 0};
    hook_region_opened(NULL, &region);
}

void blocks_note_slot(const struct heap_block *block)
{
    struct record_region *entry = block->region->user
        ? table_at(anchor_table(RECORD_TABLE_REGIONS), block->region->user) : NULL;
    if (!entry)
        return;
    uint32_t known = __atomic_load_n(&entry->slots, __ATOMIC_RELAXED);
    while (known <= block->slot
           && !__atomic_compare_exchange_n(&entry->slots, &known, block->slot + 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

/* ---- sequence numbers ---- */

uint32_t blocks_more_sequence(struct thread_state *self)
{
    self->sequence = __atomic_fetch_add(&next_sequence, SEQUENCE_BATCH, __ATOMIC_RELAXED);
    self->sequence_end = self->sequence + SEQUENCE_BATCH;
    self->long_run = quarantine_begin_run(self->sequence / SEQUENCE_BATCH);
    return ++self->sequence;
}

void blocks_fork_child(struct thread_state *self)
{
    lock_reset(&regions_lock);
    self->sequence = self->sequence_end = 0;
    midden_anchor.fork_sequence = next_sequence;
}

/* ---- totals ---- */

void blocks_fold(struct thread_state *self)
{
    int64_t delta = self->live_delta, blocks = self->blocks_delta;
    self->live_delta = 0;
    self->blocks_delta = 0;
    if (threads_running() == 1) {   /* nobody else writes these: spare the locked instructions */
        uint64_t now = midden_anchor.live_bytes + (uint64_t)delta;
        midden_anchor.live_bytes = now;
        midden_anchor.live_blocks += (uint64_t)blocks;
        int64_t below_peak = (int64_t)(midden_anchor.peak_bytes - now);
        if (below_peak < 0) {
            midden_anchor.peak_bytes = now;
            below_peak = 0;
        }
        self->fold_above = below_peak < BLOCKS_FOLD_BYTES ? below_peak : BLOCKS_FOLD_BYTES;
        return;
    }
    self->fold_above = BLOCKS_FOLD_BYTES;
    uint64_t live = __atomic_add_fetch(&midden_anchor.live_bytes, (uint64_t)delta, __ATOMIC_RELAXED);
    __atomic_add_fetch(&midden_anchor.live_blocks, (uint64_t)blocks, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&midden_anchor.peak_bytes, __ATOMIC_RELAXED);
    while ((int64_t)live > (int64_t)peak
           && !__atomic_compare_exchange_n(&midden_anchor.peak_bytes, &peak, live, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

void blocks_refresh(void)
{
    static const uint8_t counterpart[HEAP_ENGINES] = {
        [HEAP_AUTO] = RECORD_ENGINE_NONE, [HEAP_SLAB] = RECORD_ENGINE_SLAB, [HEAP_FREELIST] = RECORD_ENGINE_FREELIST,
        [HEAP_BUDDY] = RECORD_ENGINE_BUDDY, [HEAP_HUGE] = RECORD_ENGINE_HUGE};
    struct heap_engine_stats stats[HEAP_ENGINES];
    heap_stats(engine.heap, stats);
    for (int i = 0; i < HEAP_ENGINES; i++) {
        struct record_engine_stats *to = &engine_stats_record[counterpart[i]];
        to->mapped = stats[i].mapped;
        to->requested = stats[i].requested;
        to->occupied = stats[i].occupied;
        to->free_bytes = stats[i].free_bytes;
        to->largest_free = stats[i].largest_free;
        to->blocks = stats[i].blocks;
    }
    pageguard_stats(&engine_stats_record[RECORD_ENGINE_GUARDED]);
    midden_anchor.own_bytes = memory_own_bytes();
}

size_t engine_trim(void)
{
    struct thread_state *self = threads_self();
    size_t bytes = engine_enter(self) && engine.heap ? heap_trim(engine.heap) : 0;
    engine_leave(self);
    return bytes;
}

void engine_stats(struct engine_stats *stats)
{
    struct heap_engine_stats engines[HEAP_ENGINES];
    memory_fill(stats, 0, sizeof *stats);
    struct thread_state *self = threads_self();
    if (engine_enter(self) && engine.heap) {
        blocks_fold(self);
        heap_stats(engine.heap, engines);
        stats->live_bytes = __atomic_load_n(&midden_anchor.live_bytes, __ATOMIC_RELAXED);
        stats->live_blocks = __atomic_load_n(&midden_anchor.live_blocks, __ATOMIC_RELAXED);
        stats->peak_bytes = __atomic_load_n(&midden_anchor.peak_bytes, __ATOMIC_RELAXED);
        stats->mapped_bytes = engines[HEAP_AUTO].mapped;
        stats->free_bytes = engines[HEAP_AUTO].free_bytes;
        stats->huge_bytes = engines[HEAP_HUGE].occupied;
        stats->huge_blocks = engines[HEAP_HUGE].blocks;
    }
    engine_leave(self);
}
