/* The quarantine: freed blocks are held back, first in first out, so that what still touches them shows.
 *
 * Each thread gathers its freed blocks in a batch of its own, without a lock; a full batch joins the queue of all threads, and
 * the thread that adds one takes out as many of the oldest as the limit demands. So every thread pays for the bytes it adds. */
#ifndef MIDDEN_CHECK_QUARANTINE_H
#define MIDDEN_CHECK_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/guard.h"
#include "format/record.h"
#include "heap/heap.h"

struct quarantine_batch;

/* Told of each block that was written to after it had been freed. detected: RECORD_AT_EVICTION, or what the caller of
 * quarantine_sweep passed. */
typedef void quarantine_damaged(const struct guard_block *block, const struct record_block *record,
                                const struct guard_damage *damage, enum record_detected detected);

/* limit: bytes of memory held back, records included; 0: nothing is. grows: the limit is a tenth of the living bytes where that is more, at most
 * QUARANTINE_MOST. */
#define QUARANTINE_MOST ((uint64_t)64 << 20)
void quarantine_init(struct heap *heap, uint64_t limit, bool grows, quarantine_damaged *damaged);

/* true: freed blocks are held back at all. */
bool quarantine_on(void);

/* Takes a block in, which holds `bytes` beside its record, and may let older ones go. `batch`: the calling thread's word. The record's
 * head is QUARANTINED already. Returns false when there is no memory to note it: the caller gives the block back itself. */
bool quarantine_put(struct quarantine_batch **batch, const struct heap_block *block, size_t bytes);

/* Lets go of everything that is held back, the calling thread's batch included: the program needs the memory. Returns the blocks. */
uint64_t quarantine_drain(struct quarantine_batch **batch);

/* The calling thread ends: its batch joins the queue. */
void quarantine_flush(struct quarantine_batch **batch);

/* Gives a block back to the heap: compares its witnesses, marks its record FREE. */
void quarantine_release(const struct heap_block *block, enum record_detected detected);

/* Around fork: the lock is taken before, dropped in both; a child leaves the batches of threads it has not to themselves. */
void quarantine_lock(void);
void quarantine_unlock(void);

#endif
