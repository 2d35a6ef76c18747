/* A queue of batches of blocks, under one lock.
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
#include "check/queue.h"

#include "base/anchor.h"
#include "base/lock.h"
#include "base/memory.h"

#define LIMIT_MOST ((uint64_t)64 << 20)      /* what a limit that grows comes to at most */
#define BATCH_ENTRIES 508
#define BATCH_BYTES ((size_t)512 << 10)
#define PREFETCH_AHEAD 12
#define PREFETCH_EARLY 20       /* entries ahead: the slab's descriptor, by which the other addresses are known */

struct queue_batch {
    struct queue_batch *next;
    size_t bytes;               /* of what the entries hold, and of the batch itself */
    uint32_t count;
    uint32_t evicted;           /* so many of the first of `outgoing` are done */
    struct queue_batch *outgoing;  /* of a batch that is being filled: what its thread evicts meanwhile, a chain */
    heap_handle blocks[BATCH_ENTRIES];
};

static struct {
    struct lock lock;           /* guards what follows */
    struct queue_batch *oldest, *newest, *spare;
    uint64_t bytes, blocks;
    struct heap *heap;          /* these are fixed after start */
    void (*release)(const struct heap_block *block);
    uint64_t limit;
    size_t batch_bytes;
    bool grows;
} queue = {.lock = LOCK_INIT(LOCK_RANK_QUARANTINE)};

void queue_init(struct heap *heap, uint64_t limit, bool grows, void (*release)(const struct heap_block *block))
{
    queue.heap = heap;
    queue.limit = limit;
    queue.batch_bytes = limit / 8 < BATCH_BYTES ? (size_t)limit / 8 : BATCH_BYTES;
    queue.grows = grows;
    queue.release = release;
    midden_anchor.quarantine_limit = limit;
}

static uint64_t current_limit(void)
{
    if (!queue.grows)
        return queue.limit;
    uint64_t tenth = __atomic_load_n(&midden_anchor.live_bytes, __ATOMIC_RELAXED) / 10;
    if ((int64_t)tenth < 0 || tenth < queue.limit)
        return queue.limit;
    return tenth < LIMIT_MOST ? tenth : LIMIT_MOST;
}

static void publish_figures(void)
{
    __atomic_store_n(&midden_anchor.quarantine_bytes, queue.bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&midden_anchor.quarantine_blocks, queue.blocks, __ATOMIC_RELAXED);
    __atomic_store_n(&midden_anchor.quarantine_limit, current_limit(), __ATOMIC_RELAXED);
}

/* Evicts entries [from, to). */
static void evict(const struct queue_batch *batch, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct heap_block block;
        if (i + PREFETCH_EARLY < batch->count)
            heap_prefetch_early(batch->blocks[i + PREFETCH_EARLY]);
        if (i + PREFETCH_AHEAD < batch->count)
            heap_prefetch(queue.heap, batch->blocks[i + PREFETCH_AHEAD]);
        if (heap_from_handle(queue.heap, batch->blocks[i], &block))
            queue.release(&block);
    }
}

/* Adds a finished batch and takes out the oldest beyond the limit, in a chain. */
static struct queue_batch *exchange(struct queue_batch *batch)
{
    struct queue_batch *out = NULL, **tail = &out;
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
        struct queue_batch *old = queue.oldest;
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

static void put_spare(struct queue_batch *batch)
{
    lock_take(&queue.lock);
    batch->next = queue.spare;
    queue.spare = batch;
    lock_drop(&queue.lock);
}

/* from: so many of the first batch are done. */
static void evict_chain(struct queue_batch *chain, uint32_t from)
{
    while (chain) {
        struct queue_batch *next = chain->next;
        evict(chain, from, chain->count);
        put_spare(chain);
        chain = next;
        from = 0;
    }
}

/* One of what the thread has to evict. `batch` is the one it fills. */
static inline void evict_one(struct queue_batch *batch)
{
    struct queue_batch *out = batch->outgoing;
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
static void evict_outgoing(struct queue_batch *batch)
{
    struct queue_batch *out = batch->outgoing;
    batch->outgoing = NULL;
    evict_chain(out, batch->evicted);
    batch->evicted = 0;
}

static struct queue_batch *new_batch(void)
{
    lock_take(&queue.lock);
    struct queue_batch *batch = queue.spare;
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

/* The count follows the entry: a thread that vanishes in between (fork) loses a block but leaves no entry unwritten. */
bool queue_put(struct queue_batch **word, heap_handle block, size_t bytes)
{
    struct queue_batch *batch = *word;
    if (!batch && !(batch = *word = new_batch()))
        return false;
    batch->blocks[batch->count] = block;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    batch->count++;
    batch->bytes += bytes;
    evict_one(batch);
    if (batch->count < BATCH_ENTRIES && batch->bytes < queue.batch_bytes)
        return true;
    *word = NULL;
    evict_outgoing(batch);
    struct queue_batch *out = exchange(batch), *fresh = new_batch();
    if (fresh)
        fresh->outgoing = out;
    else
        evict_chain(out, 0);
    *word = fresh;
    return true;
}

uint64_t queue_drain(struct queue_batch **word)
{
    struct queue_batch *batch = *word;
    *word = NULL;
    lock_take(&queue.lock);
    struct queue_batch *chain = queue.oldest;
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

/* A batch that was begun when the one before it was full may be empty still. Such a one must not join the queue: whoever takes it out evicts at
 * least one entry, and what stands there is of its former life. */
void queue_flush(struct queue_batch **word)
{
    struct queue_batch *batch = *word;
    *word = NULL;
    if (!batch)
        return;
    evict_outgoing(batch);
    if (batch->count)
        evict_chain(exchange(batch), 0);
    else
        put_spare(batch);
}

void queue_lock(void)
{
    lock_take(&queue.lock);
}

void queue_unlock(void)
{
    lock_drop(&queue.lock);
}
