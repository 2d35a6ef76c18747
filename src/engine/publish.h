/* What is written of a block's birth: its stack, its record, the totals. Inline: alloc.c and resize.c compile it into their own paths. */
#ifndef MIDDEN_ENGINE_PUBLISH_H
#define MIDDEN_ENGINE_PUBLISH_H

#include "engine/state.h"
#include "trace/capture.h"

/* The profile production: which allocations get a stack. A byte in so many is chosen, so that large blocks are rarely missed; the
 * distance is drawn anew each time (uniformly around the mean), or programs with a rhythm would be seen at one beat only. */
#define SAMPLE_BYTES ((int64_t)512 << 10)

static inline void sample_draw(struct thread_state *self)
{
    self->random = self->random * 6364136223846793005ull + 1442695040888963407ull;
    self->sample_left = (int64_t)((self->random >> 33) % (uint64_t)(2 * SAMPLE_BYTES)) + 1;
}

static inline int64_t sample_step(size_t size) { return size < (size_t)SAMPLE_BYTES ? (int64_t)size + 1 : SAMPLE_BYTES + 1; }

static inline bool sample_taken(struct thread_state *self, size_t size)
{
    self->sample_left -= sample_step(size);
    if (__builtin_expect(self->sample_left > 0, 1))
        return false;
    sample_draw(self);
    return true;
}

/* true: of an allocation of that size now a stack would be taken, but that the caller is not the program. */
static inline bool sample_is_due(const struct thread_state *self, size_t size)
{
    return self->sample_left <= sample_step(size);
}

static inline uint32_t take_stack(struct thread_state *self, size_t size, const struct capture_start *from)
{
    if (!engine.stacks || self->internal || !from)
        return 0;
    if (engine.sampled && !sample_taken(self, size))
        return 0;
    return capture_once(from);
}

/* The room a block of `size` bytes needs; false: it cannot be had. */
static inline bool room_for(size_t size, size_t *room)
{
    return size <= PTRDIFF_MAX && !__builtin_add_overflow(size, guard_setting.apart, room)
        && *room <= PTRDIFF_MAX;
}

static inline unsigned new_flags(const struct thread_state *self, uint32_t stack)
{
    return (self->internal ? RECORD_FLAG_OWN : self->ignore_depth ? RECORD_FLAG_IGNORED : 0)
         | (engine.sampled && stack ? RECORD_FLAG_SAMPLED : 0);
}

/* Whose record a block has: one of a slab's where they are lean, or one that tells all. Constant wherever time counts. */
enum record_form { FORM_LONG, FORM_LEAN };

static inline size_t form_bytes(enum record_form form) { return form == FORM_LEAN ? sizeof(struct record_lean) : sizeof(struct record_block); }
/* Bytes of a slot in front of the block, and more bytes of it than were asked for. */
static inline size_t form_front(enum record_form form) { return form == FORM_LEAN ? LEAN_FRONT : engine.front; }
static inline size_t form_apart(enum record_form form) { return form == FORM_LEAN ? LEAN_APART : engine.apart; }
static inline size_t slab_record_bytes(void) { return form_bytes(engine.lean ? FORM_LEAN : FORM_LONG); }
static inline enum record_form form_of(const struct heap_block *block) { return engine.lean && block->region->stride ? FORM_LEAN : FORM_LONG; }

/* The head of a living block that the thread allocates. */
static inline uint64_t new_head(const struct thread_state *self, enum record_form form, size_t size, enum record_allocator call, unsigned flags)
{
    return form == FORM_LEAN ? record_head_lean(size, (uint16_t)self->index, call, flags, RECORD_BLOCK_LIVE) : record_head(size, call, flags, RECORD_BLOCK_LIVE);
}

/* A living block with nothing unusual about it: no flag is set. */
static inline bool is_plain(uint64_t head)
{
    return (head & (RECORD_STATE_MASK | (uint64_t)RECORD_FLAGS_MASK << RECORD_FLAGS_SHIFT)) == RECORD_BLOCK_LIVE;
}

/* The same head in another state. */
static inline uint64_t head_in(uint64_t head, enum record_block_state state) { return (head & ~(uint64_t)RECORD_STATE_MASK) | state; }

/* The record's place is the caller's: from now on a reader passes it over. */
static inline void mark_busy(struct record_block *record, uint64_t head)
{
    __atomic_store_n(&record->head, head_in(head, RECORD_BLOCK_BUSY), __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* The fields below the head, by words: stacks, and number with threads; of a lean record the stack and the number, for its head has the thread. */
static inline void write_birth(struct record_block *record, enum record_form form, uint32_t stack, uint32_t sequence, uint16_t thread)
{
    typedef uint64_t __attribute__((may_alias)) pair;
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pairs of fields are written as words, the first one lowest");
    _Static_assert(offsetof(struct record_block, alloc_stack) == 8 && offsetof(struct record_block, free_stack) == 12, "stacks are a word");
    _Static_assert(offsetof(struct record_block, sequence) == 16 && offsetof(struct record_block, alloc_thread) == 20
                   && offsetof(struct record_block, free_thread) == 22, "number and threads are a word");
    _Static_assert(offsetof(struct record_lean, alloc_stack) == 8 && offsetof(struct record_lean, sequence) == 12, "stack and number are a word");
    if (form == FORM_LEAN) {
        *(pair *)(void *)&record->alloc_stack = stack | (uint64_t)sequence << 32;
        return;
    }
    *(pair *)(void *)&record->alloc_stack = stack;                                      /* free_stack: 0 */
    *(pair *)(void *)&record->sequence = sequence | (uint64_t)thread << 32;             /* free_thread: 0 */
}

/* Fills a BUSY record in and makes it LIVE by its new head; the block's bytes and witnesses are as they should be. */
static inline void publish(struct thread_state *self, struct record_block *record, enum record_form form, uint64_t head, size_t size, uint32_t stack)
{
    write_birth(record, form, stack, blocks_next_sequence(self), (uint16_t)self->index);
    __atomic_store_n(&record->head, head, __ATOMIC_RELEASE);
    if (!(record_head_flags(head) & RECORD_FLAG_OWN))
        blocks_count_alloc(self, size);
}

/* The same of a block's death, while the record is BUSY: who freed it, and where. Not of a lean one, whose last head says who. */
static inline void write_death(struct record_block *record, uint32_t stack, uint16_t thread)
{
    record->free_stack = stack;
    record->free_thread = thread;
}

/* The last store. head: as it was when the block lived; what had been told of its damage is told. */
static inline void set_dead(struct record_block *record, uint64_t head, enum record_block_state state)
{
    head &= ~((uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT);
    __atomic_store_n(&record->head, head_in(head, state), __ATOMIC_RELEASE);
}

/* What a lean record's head says of who freed the block. */
static inline uint64_t lean_freed_by(const struct thread_state *self)
{
    return (uint64_t)(uint16_t)self->index << RECORD_LEAN_FREE_THREAD_SHIFT;
}

#endif
