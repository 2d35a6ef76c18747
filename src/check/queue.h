/* The long queue of the quarantine: blocks of all threads, first in, first out, as many bytes as the limit says.
 *
 * Each thread gathers its blocks in a batch of its own, without a lock; a full batch joins the queue, and the thread that adds one
 * takes out as many of the oldest as the limit demands. So every thread pays for the bytes it adds. */
#ifndef MIDDEN_CHECK_QUEUE_H
#define MIDDEN_CHECK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"

struct queue_batch;

/* limit, grows: as of quarantine_init. release: lets a block go. */
void queue_init(struct heap *heap, uint64_t limit, bool grows, void (*release)(const struct heap_block *block));

/* Takes a block in, which holds `bytes` with its record, and may let older ones go. `batch`: the calling thread's word. Returns false
 * when there is no memory to note it. */
bool queue_put(struct queue_batch **batch, heap_handle block, size_t bytes);

/* Lets go of everything in the queue and in the calling thread's batch. Returns the blocks. */
uint64_t queue_drain(struct queue_batch **batch);

/* The calling thread ends: its batch joins the queue. */
void queue_flush(struct queue_batch **batch);

void queue_lock(void);
void queue_unlock(void);

#endif
