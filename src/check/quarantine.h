/* The quarantine: freed blocks are held back, so that what still touches them shows.
 *
 *              ┌─▶ the long queue (queue.h): of all threads, as many bytes as the limit says ──┐
 *    freed ────┤                                                                               ├─▶ compared, given to the heap
 *              └─▶ the thread's short queue: of the last RECENT_BYTES, which stay in the cache ─┘
 *
 * Fair to sites, as page guards are: what is freed a million times at one place of the program would push everything else out of a
 * single queue within milliseconds. So blocks of an allocation stack that has freed few so far, or has shown damage, go into the long
 * queue, and of those that a busy one frees, one in so many; the others are held back briefly. Both queues are first in, first out. A stack is
 * busy as long as it frees more than one in 16,384 of what the process allocates.
 * Of a busy stack it is settled at the allocation, so that the heap can place apart what will be held long. */
#ifndef MIDDEN_CHECK_QUARANTINE_H
#define MIDDEN_CHECK_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/guard.h"
#include "format/record.h"
#include "check/sites.h"
#include "heap/heap.h"
#include "trace/threads.h"

/* Told of each block that was written to after it had been freed. */
typedef void quarantine_damaged(const struct guard_block *block, const struct record_block *record,
                                const struct guard_damage *damage, enum record_detected detected);

/* limit: bytes of memory in the long queue, records included; 0: nothing is held back. grows: the limit is a tenth of the living bytes where
 * that is more, at most 64 MiB. one_in: of what a busy site frees, one in so many goes to the long queue; 1: all blocks do, and so they do where
 * the limit is no more than QUARANTINE_LEAST_SHARED. */
#define QUARANTINE_LEAST_SHARED ((uint64_t)1 << 20)
void quarantine_init(struct heap *heap, uint64_t limit, bool grows, unsigned one_in, quarantine_damaged *damaged);

/* true: freed blocks are held back at all. */
bool quarantine_on(void);

/* A run of allocations begins, one of QUARANTINE_RUN; they are numbered from 0 on, and each is begun once. true: what busy sites allocate in
 * it goes to the long queue once it is freed. */
#define QUARANTINE_RUN 256u
bool quarantine_begin_run(uint32_t run);

/* true: a block of that stack which the thread allocates now will go there because of it. Then it should lie apart from others
 * (heap_alloc_apart), by which it will be known. */
static inline bool quarantine_wants(const struct thread_state *self, uint32_t stack)
{
    if (__builtin_expect(!self->long_run, 1))
        return false;
    const struct site *site = site_of(stack);
    return site && __atomic_load_n(&site->frees, __ATOMIC_RELAXED) == SITE_FREES_MOST;
}

/* To be called before quarantine_put, by the same thread: lets the oldest go if there are as many as may be. That is work which needs nothing of the
 * block that comes, so it can be done while its lines are on their way. */
void quarantine_make_way(struct thread_state *self);

/* Takes a block in, which holds `bytes` beside its record, and may let older ones go. self: the calling thread. The record is
 * complete and its head is QUARANTINED already. Returns false when there is no memory to note it: the caller gives the block back itself. */
bool quarantine_put(struct thread_state *self, const struct heap_block *block, size_t bytes);

/* Lets go of everything in the long queue and of what the calling thread holds: the program needs the memory. Returns the blocks. */
uint64_t quarantine_drain(struct thread_state *self);

/* The calling thread ends: what it holds joins the long queue. */
void quarantine_flush(struct thread_state *self);

/* Gives a block back to the heap: compares its witnesses, marks its record FREE. */
void quarantine_release(const struct heap_block *block);

/* Around fork: the lock is taken before, dropped in both; a child leaves what threads hold that it has not to themselves. */
void quarantine_lock(void);
void quarantine_unlock(void);

#endif
