/* Which queue a freed block goes into, the short queues, and how a block leaves.
 *
 * 1. The block's record is at hand: its allocation stack leads to its site (sites.h), whose line the allocation of the next block of that
 *    stack reads as well. A site's first blocks, about a thousand of them, go into the long queue; they are counted one in four, because a byte
 *    has no room for more. In a million allocations of the process each site forgets 64 of its frees, so that one which frees no more than
 *    that is never a busy one, or no longer: within a million allocations it is held long again, some at first, and soon all.
 * 2. Of a busy site's blocks one in N goes there too: all that are allocated in one in N runs of allocations. That is told by the run's number,
 *    multiplied by a constant that spreads any arithmetic progression evenly: no rhythm of the program makes it meet always, or never,
 *    the same ones; nothing is kept for it, and a program that does the same again is treated the same. It is settled when a block is
 *    allocated, and the block lies in a slab apart (heap.h), which is how it is known here. For blocks that stay behind among others that
 *    come back at once leave holes everywhere, what the program allocates later lies scattered, and its own code pays: of python3 with
 *    json, holding back one block in eight at random cost as much as holding back all.
 * 3. All others go into the calling thread's short queue, a ring of handles: RECENT_BYTES of memory, which is small beside a second-level cache, so
 *    that the program finds the memory it is given next still there. Before each one that comes in the oldest goes out; how many
 *    there may be is reckoned anew from their mean size every RECENT_STEP blocks, for a number that is the same each time is no branch to
 *    guess. Only blocks of slabs, of 2 KiB at most, go there.
 *
 * What is thereby lost: a write to a busy site's freed block is seen only if it comes while the block is held, which for all but one in N is
 * as long as the thread frees some hundred others. What is gained, beside speed: a rare block is held many times longer.
 *
 * A handler that frees while its thread is in here has its block put off (engine/deferred), so nothing here is entered twice. A thread that
 * vanishes at some instruction (fork) loses a block at most: an entry is written before it counts, and stops counting before it is
 * released.
 *
 * Limits: short queues are not counted against the limit: RECENT_BYTES a thread. */
#include "check/quarantine.h"

#include "base/memory.h"
#include "check/queue.h"
#include "check/sites.h"
#include "check/zones.h"
#include "heap/quick.h"
#include "trace/threads.h"

#define RECENT_BYTES ((size_t)64 << 10)     /* records included */
#define RECENT_ENTRIES 1024u                /* a power of two */
#define RECENT_STEP 64u
#define RECENT_MOST (RECENT_ENTRIES - RECENT_STEP)  /* between two reckonings there may be RECENT_STEP more */
#define COUNTED_ONE_IN 4u                   /* of a site's frees: 255 are 1020 */

_Static_assert(SITES_TURNS * QUARANTINE_RUN == 1u << 20 && SITE_FREES_FORGOTTEN * COUNTED_ONE_IN == 64, "quarantine.h says one in 16,384");

struct quarantine_own {
    struct queue_batch *batch;
    uint32_t first, end;        /* the entries held are those from first up to end, modulo RECENT_ENTRIES; both only grow, and wrap */
    uint32_t most;              /* so many may be held, 1 to RECENT_MOST */
    size_t bytes;               /* of memory that they hold, records included */
    slab_round blocks[RECENT_ENTRIES];
};

static struct {                 /* fixed after start */
    struct heap *heap;
    quarantine_damaged *damaged;
    bool on;
    uint32_t one_in;
} quarantine;

static void release_by_queue(const struct heap_block *block)
{
    quarantine_release(block);
}

void quarantine_init(struct heap *heap, uint64_t limit, bool grows, unsigned one_in, quarantine_damaged *damaged)
{
    quarantine.heap = heap;
    quarantine.damaged = damaged;
    quarantine.on = limit != 0;
    quarantine.one_in = limit <= QUARANTINE_LEAST_SHARED ? 1 : one_in;
    queue_init(heap, limit, grows, release_by_queue);
}

bool quarantine_on(void)
{
    return quarantine.on;
}

/* true: one of n, evenly. The constant is the golden ratio of the range. */
static inline bool is_one_in(uint32_t n, uint32_t number)
{
    return (uint64_t)(number * 0x9e3779b1u) * n >> 32 == 0;
}

bool quarantine_begin_run(uint32_t run)
{
    if (!quarantine.on || quarantine.one_in == 1)
        return false;
    sites_forget(run);
    return is_one_in(quarantine.one_in, run);
}

/* ---- out -------------------------------------------------------------------------------------------------------------------- */

/* true: nobody wrote to the freed block since. */
static inline bool untouched(const struct guard_block *block, struct guard_damage *damage)
{
    return (guard_setting.fill_free == GUARD_FILL_FREE && guard_setting.rear && zones_untouched_quickly(block))
        || guard_untouched(block, damage);
}

static inline void compare_and_mark(const struct heap_block *block)
{
    struct record_block *record = block->tag;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    struct guard_block guarded = {block->start + guard_setting.front, record_head_long_size(head),
                                  block->room - guard_setting.front};
    struct guard_damage damage;
    if (!(record_head_flags(head) & (RECORD_FLAG_DAMAGED | RECORD_FLAG_INACCESSIBLE)) && !untouched(&guarded, &damage)) {
        site_suspect(record->alloc_stack);
        quarantine.damaged(&guarded, record, &damage, RECORD_AT_EVICTION);
    }
    __atomic_store_n(&record->head, (head & ~(uint64_t)RECORD_STATE_MASK) | RECORD_BLOCK_FREE, __ATOMIC_RELEASE);
}

void quarantine_release(const struct heap_block *block)
{
    compare_and_mark(block);
    heap_free(quarantine.heap, block);
}

/* The oldest out of a short queue that is not empty. */
static inline void take_recent(struct quarantine_own *own, struct heap_block *block)
{
    slab_round round = own->blocks[own->first++ % RECENT_ENTRIES];
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    quick_block(&round_slab(round)->region, round_slot(round), sizeof(struct record_block), block);
    own->bytes -= block->room + sizeof(struct record_block);
}

static inline void release_recent(struct thread_state *self, struct quarantine_own *own)
{
    struct heap_block block;
    take_recent(own, &block);
    compare_and_mark(&block);
    if (__builtin_expect(!self->magazines || !quick_give(self->magazines, &block), 0))
        heap_free(quarantine.heap, &block);
}

/* ---- in --------------------------------------------------------------------------------------------------------------------- */

/* true: the block is to be held back only briefly. */
static inline bool is_one_of_many(const struct record_block *record)
{
    struct site *site = site_of(record->alloc_stack);
    if (__builtin_expect(!site, 0))
        return false;
    uint8_t frees = __atomic_load_n(&site->frees, __ATOMIC_RELAXED);
    if (frees != SITE_FREES_MOST) {
        if (is_one_in(COUNTED_ONE_IN, record->sequence))
            __atomic_store_n(&site->frees, (uint8_t)(frees + 1), __ATOMIC_RELAXED);
        return false;
    }
    return !(__atomic_load_n(&site->guards, __ATOMIC_RELAXED) & SITE_SUSPECT);
}

static __attribute__((noinline)) struct quarantine_own *make_own(struct thread_state *self)
{
    struct quarantine_own *own = self->shared ? NULL : memory_keep(sizeof *own, 64);
    if (own)
        own->most = RECENT_MOST;
    return self->quarantine = own;
}

/* How many there may be, by the mean size of those that are there. */
static __attribute__((noinline)) void reckon(struct thread_state *self, struct quarantine_own *own)
{
    uint32_t count = own->end - own->first;
    size_t most = own->bytes ? RECENT_BYTES * count / own->bytes : RECENT_MOST;
    own->most = most > RECENT_MOST ? RECENT_MOST : most ? (uint32_t)most : 1;
    while (own->end - own->first > own->most)
        release_recent(self, own);
}

void quarantine_make_way(struct thread_state *self)
{
    struct quarantine_own *own = self->quarantine;
    if (__builtin_expect(own != NULL, 1) && own->end - own->first >= own->most)
        release_recent(self, own);
}

bool quarantine_put(struct thread_state *self, const struct heap_block *block, size_t bytes)
{
    struct quarantine_own *own = self->quarantine;
    if (__builtin_expect(!own, 0) && !(own = make_own(self)))
        return false;
    if (quarantine.one_in == 1 || block->region->engine != HEAP_SLAB || quick_is_apart(quarantine.heap, block) || !is_one_of_many(block->tag))
        return queue_put(&own->batch, heap_handle_of(block), bytes + sizeof(struct record_block));
    own->blocks[own->end % RECENT_ENTRIES] = round_make((const struct slab *)block->region, block->slot);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own->bytes += block->room + sizeof(struct record_block);
    self->record->held_briefly++;
    if (__builtin_expect(++own->end % RECENT_STEP == 0, 0))
        reckon(self, own);
    return true;
}

/* ---- all at once ------------------------------------------------------------------------------------------------------------ */

uint64_t quarantine_drain(struct thread_state *self)
{
    struct quarantine_own *own = self->quarantine;
    struct queue_batch *none = NULL;
    uint64_t blocks = queue_drain(own ? &own->batch : &none);
    for (; own && own->first != own->end; blocks++)
        release_recent(self, own);
    return blocks;
}

void quarantine_flush(struct thread_state *self)
{
    struct quarantine_own *own = self->quarantine;
    if (!own)
        return;
    while (own->first != own->end) {
        struct heap_block block;
        take_recent(own, &block);
        if (!queue_put(&own->batch, heap_handle_of(&block), block.room + sizeof(struct record_block)))
            quarantine_release(&block);
    }
    queue_flush(&own->batch);
}

void quarantine_lock(void)
{
    queue_lock();
}

void quarantine_unlock(void)
{
    queue_unlock();
}
