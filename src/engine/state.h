/* What the parts of the engine share. Fixed after start unless said otherwise. */
#ifndef MIDDEN_ENGINE_STATE_H
#define MIDDEN_ENGINE_STATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "check/guard.h"
#include "check/pageguard.h"
#include "config/config.h"
#include "engine.h"
#include "heap/heap.h"
#include "trace/threads.h"

enum engine_stage { ENGINE_NOT_STARTED, ENGINE_STARTING, ENGINE_READY, ENGINE_ENDED };

/* Sizes that may go the quick way through malloc and free are below quick_below, which is 0 whenever any of these holds: the engine is not
 * ready; memory for records was refused of late; the profile is paranoid; the heap has no slabs. */
#define ENGINE_QUICK_ALIGN 16u  /* alignments up to here may */

/* Where records are lean there are no zones. One byte behind a block keeps a pointer past its end off the next block. */
#define LEAN_FRONT ((size_t)0)
#define LEAN_APART ((size_t)1)

struct engine {
    /* What each malloc and free reads: one line, seldom written. */
    size_t quick_below;         /* atomic */
    struct heap *heap;
    size_t front, apart;        /* of guard_setting; LEAN_FRONT and LEAN_APART if `lean` is set */
    bool sampled;               /* stacks are captured only once per SAMPLE_BYTES allocated */
    bool guards_pages;          /* some blocks stand between page guards; there may be watchpoints */
    bool witnesses;             /* new blocks have zones or a fill */
    bool lean;                  /* the blocks of slabs are not compared, held back or given a stack where they are freed: their records are lean */
    uint32_t stage;             /* enum engine_stage; atomic */

    size_t quick_limit;         /* what quick_below is when nothing is unusual */
    struct heap *reserve;       /* serves calls that interrupt the engine itself (signal handlers); NULL: no memory */
    struct heap *unrecorded;    /* serves when there is no memory for records: its blocks have none; NULL: no memory */
    bool stacks;                /* stacks are captured, */
    bool free_stacks;           /* also where blocks are freed */
    struct engine_child_env child;
} __attribute__((aligned(64)));
extern struct engine engine __attribute__((visibility("hidden")));

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
extern const struct heap_hooks blocks_unrecorded_hooks;

bool blocks_init(void);

/* Where a block lies: in a slot of a heap, or between page guards. */
struct place {
    struct record_block *record;/* NULL: an unrecorded block, of which only the room is known. A lean one has the head (which says so) and the
                                   allocation's stack in the same places, and nothing behind those: record_sequence, fault.c's copy */
    char *address;              /* of the block, as the program knows it */
    bool guarded;               /* between page guards: slot is valid, else block and owner */
    struct heap_block block;
    struct heap *owner;
    struct pageguard_slot slot;
};

/* The place around an address, whether a block lives in it or not; false: in none. */
bool blocks_find(const void *address, struct place *place);

/* The size of the living block that begins at an address, by the records alone: takes no lock, for a handler that interrupted the engine.
 * Looks through all regions. false: there is none. */
bool blocks_size_by_records(const void *address, size_t *size);

/* The witnesses of the block at a place, which has `size` bytes. */
bool blocks_whole(const struct place *place, size_t size, struct guard_damage *damage);
bool blocks_whole_before(const struct place *place, size_t size, struct guard_damage *damage);  /* the zone in front alone */
void blocks_mend(const struct place *place, size_t size);
static inline struct guard_block blocks_guarded(const struct place *place, size_t size)
{
    size_t room_end = place->block.room - guard_setting.front;
    if (__builtin_expect(place->guarded, 0)) {
        char *low, *high;
        pageguard_extent(&place->slot, &low, &high);
        room_end = (size_t)(high - place->address);
    }
    return (struct guard_block){place->address, size, room_end};
}

/* A region of slots between page guards, for the table of regions. */
void blocks_announce_guarded(char *base, size_t bytes, struct record_placed *records, uint32_t slots);

/* A placed region's table of records grew up to this block's slot. */
void blocks_note_slot(const struct heap_block *block);

uint32_t blocks_more_sequence(struct thread_state *self);
static inline uint32_t blocks_next_sequence(struct thread_state *self)
{
    return __builtin_expect(self->sequence != self->sequence_end, 1) ? ++self->sequence : blocks_more_sequence(self);
}

/* Checked calls look at all memory in [low, high) from now on. */
void blocks_extend_bounds(uintptr_t low, uintptr_t high);
void blocks_fork_child(struct thread_state *self);

/* Totals. */
#define BLOCKS_FOLD_BYTES ((int64_t)64 << 10)
void blocks_fold(struct thread_state *self);    /* what the thread has not yet added to the anchor */

/* A counter that only its own thread writes: readers see one word, old or new. */
static inline void blocks_bump(uint64_t *counter, uint64_t by)
{
#if defined(__x86_64__)
    __asm__("addq %1, %0" : "+m"(*counter) : "er"(by) : "cc");
#else
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
#endif
}
/* true: it is time for blocks_fold(). */
static inline bool blocks_add_alloc(struct thread_state *self, size_t size)
{
    struct record_thread *record = self->record;
    blocks_bump(&record->allocations, 1);
    blocks_bump(&record->allocated_bytes, size);
    self->blocks_delta++;
    return __builtin_expect((self->live_delta += (int64_t)size) > self->fold_above, 0);
}
static inline void blocks_count_alloc(struct thread_state *self, size_t size)
{
    if (blocks_add_alloc(self, size))
        blocks_fold(self);
}
static inline bool blocks_add_free(struct thread_state *self, size_t size)
{
    struct record_thread *record = self->record;
    blocks_bump(&record->frees, 1);
    blocks_bump(&record->freed_bytes, size);
    self->blocks_delta--;
    return __builtin_expect((self->live_delta -= (int64_t)size) < -BLOCKS_FOLD_BYTES, 0);
}
static inline void blocks_count_free(struct thread_state *self, size_t size)
{
    if (blocks_add_free(self, size))
        blocks_fold(self);
}
void blocks_refresh(void);                      /* engine statistics into the records, before a report */

/* ---- findings (engine/report.c) -------------------------------------------------------------------------------------------- */

struct record_finding;
/* Publishes a finding of the calling thread and has it reported. from: where the program made the call; NULL: no stack. */
void report_finding(struct thread_state *self, struct record_finding *finding, const struct capture_start *from);

/* Compares the witnesses of one living block whose record's head was `head`, and reports damage once: it is marked DAMAGED. A block
 * that another thread changes meanwhile is left alone. */
void report_damage(struct thread_state *self, const struct place *place, uint64_t head, enum record_detected detected,
                   const struct capture_start *from);

/* true: damage before (or else behind) a living block was not told of. head: of its record when it was seen. */
bool report_is_news(const struct record_block *record, const char *block, uint64_t head, bool before);

/* true: an access by the instruction at pc, before (or else behind) a living block, or to a freed one, was not told of. Each place of the
 * program is told once for a block; libc, which comes by many instructions for one call, once on each side of it. */
bool report_is_new_place(const struct record_block *record, const char *block, uint64_t head, bool before, uintptr_t pc);

/* true: somebody wrote right through the block, from in front of it to behind it: that is one mistake. */
bool report_is_one_run(const struct guard_block *block, const struct guard_damage *behind, const struct guard_damage *before);

/* Compares the witnesses of every living block; findings are published with `detected`. */
void report_sweep(enum record_detected detected);
/* The same when enough was allocated since the last time. */
void report_sweep_now_and_then(struct thread_state *self);

/* ---- watchpoints (engine/watched.c) ------------------------------------------------------------------------------------------ */

/* true: the signal was of a watchpoint of ours, and whatever it meant has been dealt with. The engine was entered for it. */
bool watched_access(struct thread_state *self, const siginfo_t *info, const ucontext_t *context);

/* ---- past a guard (engine/step.c) ---------------------------------------------------------------------------------------------- */

/* The page at `address` in this slot, where the instruction that `context` returns to faulted, is opened for that one instruction; or for
 * good, where that cannot be. told: it was news. The engine was entered for the signal. */
void step_past(struct thread_state *self, const struct pageguard_slot *slot, void *address, bool told, ucontext_t *context);

/* true: the signal came behind such an instruction, and the pages it needed are shut again. */
bool step_done(struct thread_state *self, const siginfo_t *info, ucontext_t *context);

/* ---- marks, names and roots (engine/marks.c); the locks are for around fork ---------------------------------------------------- */

bool marks_init(void);
void marks_lock(void);
void marks_unlock(void);

void free_init(void);                           /* engine/free.c: before the first block is freed */

/* ---- frees put off (engine/deferred.c) -------------------------------------------------------------------------------------- */

/* Notes a block that a signal handler freed while the thread was inside the engine. */
void deferred_put(struct thread_state *self, void *block, enum record_allocator call);
/* One that the thread put off, or any thread, from entry *from on, which is moved behind it; NULL: there is none. */
void *deferred_take(struct thread_state *self, bool everyones, uint32_t *from, enum record_allocator *call);

/* Takes back what was put off (engine/free.c). Precondition: the engine was entered, and not from within. */
void free_deferred(struct thread_state *self, bool everyones);

#endif
