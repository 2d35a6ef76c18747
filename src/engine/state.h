/* What the parts of the engine share. Fixed after start unless said otherwise. */
#ifndef MIDDEN_ENGINE_STATE_H
#define MIDDEN_ENGINE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/guard.h"
#include "config/config.h"
#include "engine.h"
#include "heap/heap.h"
#include "trace/threads.h"

enum engine_stage { ENGINE_NOT_STARTED, ENGINE_STARTING, ENGINE_READY, ENGINE_ENDED };

struct engine {
    uint32_t stage;             /* enum engine_stage; atomic */
    struct heap *heap;
    struct heap *reserve;       /* serves calls that interrupt the engine itself (signal handlers); NULL: no memory */
    bool stacks;                /* stacks are captured */
    bool records;               /* false: out of memory for records from the start; blocks go unrecorded */
    struct engine_child_env child;
};
extern struct engine engine;

/* ---- entering and leaving -------------------------------------------------------------------------------------------
 *
 * A thread inside the engine may hold locks and have its magazines half changed. A signal handler that then calls malloc or free
 * on the same thread finds depth > 0: it is served by the reserve heap, and what it frees is put off (engine/deferred). */
static inline bool engine_enter(struct thread_state *self)
{
    bool first = self->depth++ == 0;
    __asm__ volatile("" ::: "memory");
    return first;
}
static inline void engine_leave(struct thread_state *self)
{
    __asm__ volatile("" ::: "memory");
    self->depth--;
}

/* ---- blocks (engine/blocks.c) --------------------------------------------------------------------------------------------- */

extern const struct heap_hooks blocks_hooks;
extern const struct heap_hooks blocks_reserve_hooks;

bool blocks_init(void);

/* The slot around an address, in whichever heap; false: in none. */
bool blocks_find(const void *address, struct heap_block *block, struct heap **owner);

/* A placed region's table of records grew up to this block's slot. */
void blocks_note_slot(const struct heap_block *block);

uint32_t blocks_next_sequence(struct thread_state *self);
void blocks_fork_child(struct thread_state *self);

/* Totals. */
void blocks_count_alloc(struct thread_state *self, size_t size);
void blocks_count_free(struct thread_state *self, size_t size);
void blocks_fold(struct thread_state *self);    /* what the thread has not yet added to the anchor */
void blocks_refresh(void);                      /* engine statistics into the records, before a report */

static inline struct guard_block blocks_guarded(const struct heap_block *block, size_t size)
{
    return (struct guard_block){block->start + guard_setting.front, size, block->room - guard_setting.front};
}

/* ---- findings (engine/report.c) -------------------------------------------------------------------------------------------- */

struct record_finding;
/* Publishes a finding of the calling thread and has it reported. from: where the program made the call; NULL: no stack. */
void report_finding(struct thread_state *self, struct record_finding *finding, const struct capture_start *from);

/* Compares the witnesses of every living block; findings are published with `detected`. */
void report_sweep(enum record_detected detected);

/* ---- frees put off (engine/deferred.c) -------------------------------------------------------------------------------------- */

/* Notes a block that a signal handler freed while the thread was inside the engine. */
void deferred_put(struct thread_state *self, void *block, enum record_allocator call);
bool deferred_any(const struct thread_state *self);
/* The oldest one; NULL: none. */
void *deferred_take(struct thread_state *self, enum record_allocator *call);

#endif
