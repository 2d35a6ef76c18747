/* A queue of batches of blocks.
 *
 *    thread ─▶ [ batch, filling ]            queue:  oldest ─▶ [batch] ─▶ [batch] ─▶ … ─▶ newest
 *                  │
 *                  └▶ outgoing ─▶ [batch]    taken from the old end, evicted a few blocks at a time
 *
 * A batch is one page of the tool's own memory: a header and the blocks' handles (heap.h), by which a block of a slab is found again
 * without a look-up. Emptied batches go to a list of spare ones.
 *
 * 1. A freed block goes into the thread's batch. A full batch goes to the queue's new end; what lies beyond the limit at its
 *    old end becomes the thread's outgoing.
 * 2. With each block that comes, an outgoing one is compared and given to the heap: work is spread evenly, and memory that comes free is
 *    used again while it is in the cache. The order is known ahead, so what the next ones touch is prefetched.
 *
 * What counts against the limit is the memory that is held: slots with all that was not asked for, records and the batches.
 *
 * Limits: what threads have in unfinished batches and outgoing is not counted; a batch is handed over at BATCH_BYTES, so that is
 * about twice as much a thread. */
#include "check/quarantine.h"

#include "base/anchor.h"
#include "base/lock.h"
#include "base/memory.h"

#define BATCH_ENTRIES 508
#define BATCH_BYTES ((size_t)512 << 10)
#define PREFETCH_AHEAD 12
#define PREFETCH_EARLY 20       /* entries ahead: the slab's descriptor, by which the other addresses are known */
#define EVICT_AT_ONCE 1

struct quarantine_batch {
    struct quarantine_batch *next;
    size_t bytes;               /* of what the entries hold, and of the batch itself */
    uint32_t count;
    uint32_t evicted;           /* so many of the first of `outgoing` are done */
    struct quarantine_batch *outgoing;  /* of a batch that is being filled: what its thread evicts meanwhile, a chain */
    heap_handle blocks[BATCH_ENTRIES];
};

static struct {
    struct lock lock;           /* guards what follows */
    struct quarantine_batch *oldest, *newest, *spare;
    uint64_t bytes, blocks;
    struct heap *heap;          /* these are fixed after start */
    quarantine_damaged *damaged;
    uint64_t limit;
    size_t batch_bytes;
    bool grows;
} queue = {.lock = LOCK_INIT(LOCK_RANK_QUARANTINE)};

void quarantine_init(struct heap *heap, uint64_t limit, bool grows, quarantine_damaged *damaged)
{
    queue.heap = heap;
    queue.limit = limit;
    queue.batch_bytes = limit / 8 < BATCH_BYTES ? (size_t)limit / 8 : BATCH_BYTES;
    queue.grows = grows;
    queue.damaged = damaged;
    midden_anchor.quarantine_limit = limit;
}

bool quarantine_on(void)
{
    return queue.limit != 0;
}

static uint64_t current_limit(void)
{
    if (!queue.grows)
        return queue.limit;
    uint64_t tenth = __atomic_load_n(&midden_anchor.live_bytes, __ATOMIC_RELAXED) / 10;
    if ((int64_t)tenth < 0 || tenth < queue.limit)
        return queue.limit;
    return tenth < QUARANTINE_MOST ? tenth : QUARANTINE_MOST;
}

static void publish_figures(void)
{
    __atomic_store_n(&midden_anchor.quarantine_bytes, queue.bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&midden_anchor.quarantine_blocks, queue.blocks, __ATOMIC_RELAXED);
    __atomic_store_n(&midden_anchor.quarantine_limit, current_limit(), __ATOMIC_RELAXED);
}

void quarantine_release(const struct heap_block *block, enum record_detected detected)
{
    struct record_block *record = block->tag;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    struct guard_block guarded = {block->start + guard_setting.front, record_head_size(head),
                                  block->room - guard_setting.front};
    struct guard_damage damage;
    if (!(record_head_flags(head) & (RECORD_FLAG_DAMAGED | RECORD_FLAG_INACCESSIBLE)) && !guard_untouched(&guarded, &damage))
        queue.damaged(&guarded, record, &damage, detected);
    __atomic_store_n(&record->head, (head & ~(uint64_t)RECORD_STATE_MASK) | RECORD_BLOCK_FREE, __ATOMIC_RELEASE);
    heap_free(queue.heap, block);
}

/* Evicts entries [from, to). */
static void evict(const struct quarantine_batch *batch, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct heap_block block;
        if (i + PREFETCH_EARLY < batch->count)
            heap_prefetch_early(batch->blocks[i + PREFETCH_EARLY]);
        if (i + PREFETCH_AHEAD < batch->count)
            heap_prefetch(queue.heap, batch->blocks[i + PREFETCH_AHEAD]);
        if (heap_from_handle(queue.heap, batch->blocks[i], &block))
            quarantine_release(&block, RECORD_AT_EVICTION);
    }
}

/* Adds a finished batch and takes out the oldest beyond the limit, in a chain. */
static struct quarantine_batch *exchange(struct quarantine_batch *batch)
{
    struct quarantine_batch *out = NULL, **tail = &out;
    lock_take(&queue.lock);
    if (batch) {
        batch->next = NULL;
        if (queue.newest)
            queue.newest->next = batch;
        else
            queue.oldest = batch;
        queue.newest = batch;
        queue.bytes += batch->bytes;
        queue.blocks += batch->count;
    }
    uint64_t limit = current_limit();
    while (queue.bytes > limit && queue.oldest) {
        struct quarantine_batch *old = queue.oldest;
        queue.oldest = old->next;
        if (!queue.oldest)
            queue.newest = NULL;
        queue.bytes -= old->bytes;
        queue.blocks -= old->count;
        old->next = NULL;
        *tail = old;
        tail = &old->next;
    }
    publish_figures();
    lock_drop(&queue.lock);
    return out;
}

static void put_spare(struct quarantine_batch *batch)
{
    lock_take(&queue.lock);
    batch->next = queue.spare;
    queue.spare = batch;
    lock_drop(&queue.lock);
}

/* from: so many of the first batch are done. */
static void evict_chain(struct quarantine_batch *chain, uint32_t from)
{
    while (chain) {
        struct quarantine_batch *next = chain->next;
        evict(chain, from, chain->count);
        put_spare(chain);
        chain = next;
        from = 0;
    }
}

/* One of what the thread has to evict. `batch` is the one it fills. */
static inline void evict_one(struct quarantine_batch *batch)
{
    struct quarantine_batch *out = batch->outgoing;
    if (!out)
        return;
    uint32_t from = batch->evicted++;
    evict(out, from, from + 1);
    if (from + 1 == out->count) {
        batch->outgoing = out->next;
        batch->evicted = 0;
        put_spare(out);
    }
}

/* All of it. */
static void evict_outgoing(struct quarantine_batch *batch)
{
    struct quarantine_batch *out = batch->outgoing;
    batch->outgoing = NULL;
    evict_chain(out, batch->evicted);
    batch->evicted = 0;
}

static struct quarantine_batch *new_batch(void)
{
    lock_take(&queue.lock);
    struct quarantine_batch *batch = queue.spare;
    if (batch)
        queue.spare = batch->next;
    lock_drop(&queue.lock);
    if (!batch)
        batch = memory_keep(sizeof *batch, 64);
    if (batch) {
        batch->count = batch->evicted = 0;
        batch->bytes = sizeof *batch;
        batch->next = batch->outgoing = NULL;
    }
    return batch;
}

bool quarantine_put(struct quarantine_batch **word, const struct heap_block *block, size_t bytes)
{
    struct quarantine_batch *batch = *word;
    if (!batch && !(batch = *word = new_batch()))
        return false;
    batch->blocks[batch->count++] = heap_handle_of(block);
    batch->bytes += bytes + sizeof(struct record_block);
    evict_one(batch);
    if (batch->count < BATCH_ENTRIES && batch->bytes < queue.batch_bytes)
        return true;
    *word = NULL;
    evict_outgoing(batch);
    struct quarantine_batch *out = exchange(batch), *fresh = new_batch();
    if (fresh)
        fresh->outgoing = out;
    else
        evict_chain(out, 0);
    *word = fresh;
    return true;
}

uint64_t quarantine_drain(struct quarantine_batch **word)
{
    struct quarantine_batch *batch = *word;
    *word = NULL;
    lock_take(&queue.lock);
    struct quarantine_batch *chain = queue.oldest;
    uint64_t blocks = queue.blocks;
    queue.oldest = queue.newest = NULL;
    queue.bytes = queue.blocks = 0;
    lock_drop(&queue.lock);
    evict_chain(chain, 0);
    if (batch) {
        evict_outgoing(batch);
        blocks += batch->count;
        batch->next = NULL;
        evict_chain(batch, 0);
    }
    return blocks;
}

void quarantine_flush(struct quarantine_batch **word)
{
    struct quarantine_batch *batch = *word;
    *word = NULL;
    if (batch) {
        evict_outgoing(batch);
        evict_chain(exchange(batch), 0);
    }
}

void quarantine_lock(void)
{
    lock_take(&queue.lock);
}

void quarantine_unlock(void)
{
    lock_drop(&queue.lock);
}
