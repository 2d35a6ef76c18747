/* Frees put off: a signal handler freed a block while its thread was inside the engine.
 *
 * One small array for the process, its entries claimed and cleared by compare-and-swap, so that neither a handler nor the
 * thread under it can find it half changed. When it is full the block is simply never taken back: nothing breaks, a few
 * bytes stay live. A thread looks here on its next ordinary free. */
#include "engine/state.h"

#define DEFERRED 256

static struct {
    uintptr_t block;            /* 0: the entry is free, 1: being filled; atomic */
    uint32_t call;
    uint32_t thread;
} deferred[DEFERRED];

uint32_t deferred_waiting;

void deferred_put(struct thread_state *self, void *block, enum record_allocator call)
{
    for (unsigned i = 0; i < DEFERRED; i++) {
        uintptr_t empty = 0;
        if (!__atomic_compare_exchange_n(&deferred[i].block, &empty, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        deferred[i].call = call;
        deferred[i].thread = self->index;
        __atomic_store_n(&deferred[i].block, (uintptr_t)block, __ATOMIC_RELEASE);
        __atomic_fetch_add(&deferred_waiting, 1, __ATOMIC_RELEASE);
        return;
    }
}

void *deferred_take(struct thread_state *self, enum record_allocator *call)
{
    for (unsigned i = 0; i < DEFERRED; i++) {
        uintptr_t block = __atomic_load_n(&deferred[i].block, __ATOMIC_ACQUIRE);
        if (block <= 1 || deferred[i].thread != self->index)
            continue;
        *call = (enum record_allocator)deferred[i].call;
        if (!__atomic_compare_exchange_n(&deferred[i].block, &block, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        __atomic_fetch_sub(&deferred_waiting, 1, __ATOMIC_RELAXED);
        return (void *)block;
    }
    return NULL;
}
