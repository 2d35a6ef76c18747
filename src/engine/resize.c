/* Blocks that change their size, and what size they have.
 *
 * A realloc without guards changes the block where it is, if the heap has the room; with guards it moves, so that stale pointers to the
 * old place show, but for large buffers that grow by little steps. Moving is an allocation, a copy and a free, each recorded as such.
 *
 * There is a quick way here, too, for the plain living block of a slab: it is found as free finds one. What it does is the same. */
#include "base/anchor.h"
#include "base/memory.h"
#include "check/fault.h"
#include "check/guard.h"
#include "check/watch.h"
#include "engine/publish.h"
#include "engine/state.h"
#include "heap/quick.h"

/* Changes the record of a living block that has its new size: who freed it stays nobody. It is of the sample if this call is, whatever the one
 * before was. head: of the record as it was. */
static void publish_resized(struct thread_state *self, struct record_block *record, uint64_t head, size_t size,
                            enum record_allocator call, uint32_t stack)
{
    unsigned flags = record_head_flags(head) & ~(unsigned)RECORD_FLAG_SAMPLED;
    enum record_form form = record_head_is_lean(head) ? FORM_LEAN : FORM_LONG;
    if (!(flags & RECORD_FLAG_OWN))
        blocks_count_free(self, record_head_size(head));
    publish(self, record, form, new_head(self, form, size, call, engine.sampled && stack ? flags | RECORD_FLAG_SAMPLED : flags), size, stack);
}

/* The block is to be of the sample, and gets a stack when it is freed, for which a lean record has no room: it must move. */
static bool outgrows_record(const struct thread_state *self, uint64_t head, size_t size)
{
    return record_head_is_lean(head) && engine.sampled && !self->internal && sample_is_due(self, size);
}

/* Changes a living block where it is, for profiles without guards, where a stale pointer to the old place is not looked for. */
static bool resize_in_place(struct thread_state *self, struct place *place, size_t size, enum record_allocator call,
                            const struct capture_start *from)
{
    struct record_block *record = place->record;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_RELAXED);
    size_t room;
    if (guard_setting.rear || place->guarded || outgrows_record(self, head, size) || !room_for(size, &room)
        || !heap_resize(place->owner, &place->block, room ? room : 1))
        return false;
    uint32_t stack = take_stack(self, size, from);
    mark_busy(record, head);
    publish_resized(self, record, head, size, call, stack);
    return true;
}

/* In profiles with guards a realloc moves the block, so that stale pointers to it show. A large buffer that grows by little steps would be copied
 * over and over; so from this size on it is moved with an eighth to spare, and stays where it is until that is used up: the work is then
 * linear in what the buffer grows to. */
#define GROWS_IN_PLACE ((size_t)4096)

static bool may_grow_in_place(size_t old, size_t size)
{
    return guard_setting.rear && old >= GROWS_IN_PLACE && size > old && midden_anchor.profile != PROFILE_PARANOID;
}

/* The block has room for its new size and the zone behind it, and nothing is wrong with the zones it has. false: it must move. */
static bool grow_in_place(struct thread_state *self, struct place *place, size_t size, enum record_allocator call,
                          const struct capture_start *from)
{
    struct record_block *record = place->record;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_RELAXED);
    size_t old = record_head_size(head), room_end = place->block.room - guard_setting.front;
    struct guard_block before = {place->address, old, room_end}, after = {place->address, size, room_end};
    struct guard_damage damage;
    if (place->guarded || size > PTRDIFF_MAX || room_end < size + guard_setting.rear || !guard_whole(&before, &damage))
        return false;
    uint32_t stack = take_stack(self, size, from);
    watch_remove(place->address);
    mark_busy(record, head);
    if (guard_setting.fill_alloc != GUARD_NO_FILL)
        memory_fill(place->address + old, (int)guard_setting.fill_alloc, size - old);
    guard_arm(&after, false);
    publish_resized(self, record, head, size, call, stack);
    return true;
}

/* In a signal handler that interrupted the engine: from the records, to a block of the reserve heap, and the old one is put off. */
static __attribute__((noinline)) bool realloc_inside(void *old, size_t size, enum record_allocator call, const struct capture_start *from,
                                                     void **moved)
{
    size_t had;
    if (!blocks_size_by_records(old, &had))
        return false;
    void *new = engine_alloc(size, 0, call, 0, from);
    if (!new)
        return false;
    memory_copy(new, old, had < size ? had : size);
    engine_free(old, call, ENGINE_NO_SIZE, 0, from);
    *moved = new;
    return true;
}

/* Both blocks of a move get the stack of the one call, if every block gets one. */
static void capture_for_both(struct capture_start *from)
{
    struct thread_state *self = thread_self_pointer;
    if (!engine.free_stacks || engine.sampled || !self || self->internal)
        return;
    if (engine_enter(self))
        from->stack = capture(from);
    engine_leave(self);
}

/* The block's contents go to a new one, and the old one is freed. head: of its record. */
static bool move(void *old, size_t size, uint64_t head, enum record_allocator call, const struct capture_start *caller, unsigned flags,
                 void **moved)
{
    struct capture_start here = *caller, *from = &here;
    capture_for_both(from);
    void *new = engine_alloc(size, 0, call, flags, from);
    if (!new)
        return false;
    size_t old_size = record_head_size(head);
    memory_copy(new, old, old_size < size ? old_size : size);
    if (__builtin_expect(record_head_flags(head) & RECORD_FLAG_IGNORED, 0))
        engine_mark_intended(new);      /* what is meant to stay may move */
    engine_free(old, call, ENGINE_NO_SIZE, 0, from);
    *moved = new;
    return true;
}

static __attribute__((noinline)) bool realloc_slowly(void *old, size_t size, enum record_allocator call, const struct capture_start *from,
                                                     void **moved)
{
    if (__builtin_expect(engine.stage < ENGINE_READY, 0))
        engine_start();
    struct thread_state *self = threads_self();
    if (__builtin_expect(self->depth, 0))
        return realloc_inside(old, size, call, from, moved);
    engine_enter(self);
    struct place place;
    bool found = blocks_find(old, &place);
    size_t unrecorded_room = 0;
    if (found && !place.record && place.address == (char *)old) {
        unrecorded_room = place.block.room - guard_setting.front;
        found = false;
    }
    uint64_t head = found ? __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE)
                          : record_head(unrecorded_room, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE);
    if ((!found && !unrecorded_room) || record_head_state(head) != RECORD_BLOCK_LIVE || (found && place.address != (char *)old)) {
        struct record_finding finding;
        fault_of_free(old, call, found ? place.record : NULL, found ? place.address : NULL, from ? from->sp : 0, &finding);
        report_finding(self, &finding, from);
        engine_leave(self);
        return false;
    }
    bool grows = found && may_grow_in_place(record_head_size(head), size);
    if (found && (grows ? grow_in_place(self, &place, size, call, from) : resize_in_place(self, &place, size, call, from))) {
        engine_leave(self);
        *moved = old;
        return true;
    }
    engine_leave(self);
    return move(old, size, head, call, from, grows ? ENGINE_ROOMY : 0, moved);
}

/* ---- the quick way ---------------------------------------------------------------------------------------------------------- */

/* The living block of a slab, with nothing unusual about it. Precondition: the engine was entered. */
static inline bool find_plain(struct thread_state *self, const char *address, struct heap_block *block, uint64_t *head)
{
    if (!self->magazines || !quick_find(engine.heap, self->magazines, address, engine.front, slab_record_bytes(), block))
        return false;
    *head = __atomic_load_n(&((const struct record_block *)block->tag)->head, __ATOMIC_ACQUIRE);
    return is_plain(*head);
}

bool engine_realloc(void *old, size_t size, enum record_allocator call, const struct capture_start *from, void **moved)
{
    struct thread_state *self = thread_self_pointer;
    struct heap_block block;
    uint64_t head;
    if (__builtin_expect(size >= __atomic_load_n(&engine.quick_below, __ATOMIC_RELAXED) || !self, 0)
        || __builtin_expect(self->depth | self->internal | self->ignore_depth, 0))
        return realloc_slowly(old, size, call, from, moved);
    engine_enter(self);
    bool plain = find_plain(self, old, &block, &head);
    if (plain && !guard_setting.rear && size + engine.apart <= block.room && !outgrows_record(self, head, size)) {
        uint32_t stack = take_stack(self, size, from);
        quick_resize(&block, size + engine.apart);
        mark_busy(block.tag, head);
        publish_resized(self, block.tag, head, size, call, stack);
        engine_leave(self);
        *moved = old;
        return true;
    }
    engine_leave(self);
    return __builtin_expect(plain, 1) ? move(old, size, head, call, from, 0, moved) : realloc_slowly(old, size, call, from, moved);
}

/* The size of a plain living block in a slab that the thread has met; RECORD_UNKNOWN: that takes a closer look. Any context. */
static inline size_t size_quickly(const struct thread_state *self, const char *address)
{
    struct heap_block block;
    if (__builtin_expect(!self || !self->magazines, 0))
        return RECORD_UNKNOWN;
    struct heap_region *region = quick_region(self->magazines, address);
    if (__builtin_expect(!region || __atomic_load_n(&region->engine, __ATOMIC_RELAXED) != HEAP_SLAB, 0)
        || __builtin_expect(!quick_slot(region, address, slab_record_bytes(), &block) || block.start + engine.front != address, 0))
        return RECORD_UNKNOWN;
    uint64_t head = __atomic_load_n(&((const struct record_block *)block.tag)->head, __ATOMIC_ACQUIRE);
    return __builtin_expect(is_plain(head), 1) ? record_head_size(head) : RECORD_UNKNOWN;
}

static __attribute__((noinline)) size_t size_slowly(const void *address)
{
    if (!address || engine.stage < ENGINE_READY)
        return 0;
    struct thread_state *self = threads_self();
    size_t size = 0;
    if (engine_enter(self)) {
        struct place place;
        if (self->magazines && engine.heap)
            quick_meet(engine.heap, self->magazines, address);
        if (blocks_find(address, &place) && place.address == (const char *)address) {
            uint64_t head = place.record ? __atomic_load_n(&place.record->head, __ATOMIC_RELAXED)
                : record_head(place.block.room - guard_setting.front, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE);
            if (record_head_state(head) == RECORD_BLOCK_LIVE)
                size = record_head_size(head);
        }
    } else if (!blocks_size_by_records(address, &size)) {
        size = 0;
    }
    engine_leave(self);
    return size;
}

size_t engine_usable_size(const void *address)
{
    size_t size = size_quickly(thread_self_pointer, address);
    return __builtin_expect(size != RECORD_UNKNOWN, 1) ? size : size_slowly(address);
}
