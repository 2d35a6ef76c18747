/* A queue of batches of addresses.
 *
 *    thread ─▶ [ batch, filling ]            queue:  oldest ─▶ [batch] ─▶ [batch] ─▶ … ─▶ newest
 *
 * A batch is one page of the tool's own memory: a header and the addresses. Only addresses are kept; where a block lies and how
 * large its room is the heap knows (heap_find: a few nanoseconds for a slab block). Emptied batches go to a list of spare ones.
 *
 * The order of evictions is known ahead, so the slots and records that come next are prefetched while one is checked.
 *
 * Limits: what threads have in unfinished batches is not counted; a batch is handed over at BATCH_BYTES, so that is at most so
 * much a thread. */
#include "check/quarantine.h"

#include "base/anchor.h"
#include "base/lock.h"
#include "base/memory.h"

#define BATCH_ENTRIES 508
#define BATCH_BYTES ((size_t)512 << 10)
#define PREFETCH_AHEAD 6

struct quarantine_batch {
    struct quarantine_batch *next;
    size_t bytes;               /* of room, all entries */
    uint32_t count;
    uint32_t pad;
    uint64_t reserved;
    char *address[BATCH_ENTRIES];
};

static struct {
    struct lock lock;           /* guards what follows */
    struct quarantine_batch *oldest, *newest, *spare;
    uint64_t bytes, blocks;
    struct heap *heap;          /* these are fixed after start */
    quarantine_damaged *damaged;
    uint64_t limit;
    bool grows;
} queue = {.lock = LOCK_INIT(LOCK_RANK_QUARANTINE)};

void quarantine_init(struct heap *heap, uint64_t limit, bool grows, quarantine_damaged *damaged)
{
    queue.heap = heap;
    queue.limit = limit;
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

static void evict(struct quarantine_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (i + PREFETCH_AHEAD < batch->count)
            __builtin_prefetch(batch->address[i + PREFETCH_AHEAD] - guard_setting.front);
        struct heap_block block;
        if (heap_find(queue.heap, batch->address[i], &block))
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

static void evict_chain(struct quarantine_batch *chain)
{
    while (chain) {
        struct quarantine_batch *next = chain->next;
        evict(chain);
        lock_take(&queue.lock);
        chain->next = queue.spare;
        queue.spare = chain;
        lock_drop(&queue.lock);
        chain = next;
    }
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
        batch->count = 0;
        batch->bytes = 0;
        batch->next = NULL;
    }
    return batch;
}

bool quarantine_put(struct quarantine_batch **word, char *address, size_t room)
{
    struct quarantine_batch *batch = *word;
    if (!batch && !(batch = *word = new_batch()))
        return false;
    batch->address[batch->count++] = address;
    batch->bytes += room;
    if (batch->count == BATCH_ENTRIES || batch->bytes >= BATCH_BYTES) {
        *word = NULL;
        evict_chain(exchange(batch));
    }
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
    evict_chain(chain);
    if (batch) {
        blocks += batch->count;
        batch->next = NULL;
        evict_chain(batch);
    }
    return blocks;
}

void quarantine_flush(struct quarantine_batch **word)
{
    struct quarantine_batch *batch = *word;
    *word = NULL;
    if (batch)
        evict_chain(exchange(batch));
}

void quarantine_lock(void)
{
    lock_take(&queue.lock);
}

void quarantine_unlock(void)
{
    lock_drop(&queue.lock);
}
