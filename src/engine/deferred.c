/* Frees put off: a signal handler freed a block while its thread was inside the engine.
 *
 * One list for the process: entries in chunks, each twice as large as the one before, the first one static. They are claimed and cleared by
 * compare-and-swap, so that neither a handler nor the thread under it, nor a second thread, finds one half changed. A thread looks here
 * on its next ordinary free, and when it ends; the last report and a leak check look for all threads.
 *
 *     chunks[0]  256 entries      [ block, call, thread ]  …        an index counts through all chunks
 *     chunks[1]  512                                                 next: where the search for a free entry begins, a hint
 *     …                                                              top: above all that were ever used
 *
 * The entries are roots: what only they hold is as good as freed, and no leak.
 *
 * Limits: without memory for a chunk the block is never taken back: nothing breaks, a few bytes stay live. */
#include "base/memory.h"
#include "engine/state.h"

#define FIRST 256u
#define CHUNKS 20u

struct deferred {
    uintptr_t block;            /* 0: the entry is free, 1: being filled; atomic */
    uint32_t call;
    uint32_t thread;
};

static struct deferred first_chunk[FIRST];
static struct deferred *chunks[CHUNKS];     /* atomic */
static uint32_t next, top;                  /* atomic */

/* The chunk of an entry, and where it lies in it. */
static unsigned chunk_of(uint32_t index, uint32_t *at)
{
    unsigned chunk = 0;
    while (chunk < CHUNKS && index >= FIRST << chunk)
        index -= FIRST << chunk++;
    *at = index;
    return chunk;
}

static struct deferred *entry_at(uint32_t index)
{
    uint32_t at;
    unsigned chunk = chunk_of(index, &at);
    struct deferred *entries = chunk < CHUNKS ? __atomic_load_n(&chunks[chunk], __ATOMIC_ACQUIRE) : NULL;
    return entries ? entries + at : NULL;
}

/* Any context. false: no memory. */
static bool add_chunk(unsigned chunk)
{
    size_t bytes = (size_t)(FIRST << chunk) * sizeof(struct deferred);
    struct deferred *fresh = chunk ? memory_map(bytes, 0, RECORD_PURPOSE_RECORDS) : first_chunk, *none = NULL;
    if (!fresh)
        return false;
    if (__atomic_compare_exchange_n(&chunks[chunk], &none, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        engine_root_add(fresh, bytes);
    else if (chunk)
        memory_unmap(fresh, bytes);
    return true;
}

void deferred_put(struct thread_state *self, void *block, enum record_allocator call)
{
    for (uint32_t index = __atomic_load_n(&next, __ATOMIC_RELAXED);; index++) {
        uint32_t at;
        unsigned chunk = chunk_of(index, &at);
        if (chunk == CHUNKS || (!entry_at(index) && !add_chunk(chunk)))
            return;
        struct deferred *entry = entry_at(index);
        uintptr_t empty = 0;
        if (!__atomic_compare_exchange_n(&entry->block, &empty, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        entry->call = call;
        entry->thread = self->index;
        uint32_t above = __atomic_load_n(&top, __ATOMIC_RELAXED);
        while (above <= index && !__atomic_compare_exchange_n(&top, &above, index + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        __atomic_store_n(&entry->block, (uintptr_t)block, __ATOMIC_RELEASE);
        __atomic_store_n(&next, index + 1, __ATOMIC_RELAXED);
        self->deferred = true;
        return;
    }
}

void *deferred_take(struct thread_state *self, bool everyones, uint32_t *from, enum record_allocator *call)
{
    uint32_t end = __atomic_load_n(&top, __ATOMIC_ACQUIRE);
    while (*from < end) {
        uint32_t index = (*from)++;
        struct deferred *entry = entry_at(index);
        uintptr_t block = entry ? __atomic_load_n(&entry->block, __ATOMIC_ACQUIRE) : 0;
        if (block <= 1 || (!everyones && entry->thread != self->index))
            continue;
        *call = (enum record_allocator)entry->call;
        if (!__atomic_compare_exchange_n(&entry->block, &block, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        if (index < __atomic_load_n(&next, __ATOMIC_RELAXED))
            __atomic_store_n(&next, index, __ATOMIC_RELAXED);
        return (void *)block;
    }
    return NULL;
}
