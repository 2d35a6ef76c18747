/* Giving blocks out.
 *
 * capture the stack → take a place from the heap, guards included → write the witnesses → publish the record → count. The record
 * is BUSY from the moment the place is ours until everything about the block is true, and LIVE from the last store on. */
#include "base/anchor.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/fault.h"
#include "check/guard.h"
#include "check/quarantine.h"
#include "check/watch.h"
#include "engine/state.h"
#include "trace/modules.h"

/* The room a block of `size` bytes needs; false: it cannot be had. */
static bool room_for(size_t size, size_t *room)
{
    return size <= PTRDIFF_MAX && !__builtin_add_overflow(size, guard_setting.apart, room)
        && *room <= PTRDIFF_MAX;
}

#define SAMPLE_BYTES ((int64_t)512 << 10)

/* The profile production: which allocations get a stack. A byte in so many is chosen, so that large blocks are rarely missed; the
 * distance is drawn anew each time (uniformly around the mean), or programs with a rhythm would be seen at one beat only. */
static bool sample_taken(struct thread_state *self, size_t size)
{
    self->sample_left -= size < (size_t)SAMPLE_BYTES ? (int64_t)size + 1 : SAMPLE_BYTES + 1;
    if (__builtin_expect(self->sample_left > 0, 1))
        return false;
    self->random = self->random * 6364136223846793005ull + 1442695040888963407ull;
    self->sample_left = (int64_t)((self->random >> 33) % (uint64_t)(2 * SAMPLE_BYTES)) + 1;
    return true;
}

static inline uint32_t take_stack(struct thread_state *self, size_t size, const struct capture_start *from)
{
    if (!engine.stacks || self->internal || !from)
        return 0;
    if (engine.sampled && !sample_taken(self, size))
        return 0;
    uint32_t stack = capture(from);
    if (__builtin_expect(!stack, 0))
        __atomic_fetch_add(&midden_anchor.lost_stacks, 1, __ATOMIC_RELAXED);
    return stack;
}

/* Fills a block's record in and makes it LIVE; what the witnesses need is done by `arm` in between. */
static void publish(struct thread_state *self, struct record_block *record, size_t size, enum record_allocator call,
                    unsigned flags, uint32_t stack)
{
    record->alloc_stack = stack;
    record->free_stack = 0;
    record->alloc_thread = (uint16_t)self->index;
    record->free_thread = 0;
    record->sequence = blocks_next_sequence(self);
    __atomic_store_n(&record->head, record_head(size, call, flags, RECORD_BLOCK_LIVE), __ATOMIC_RELEASE);
    if (!(flags & RECORD_FLAG_OWN))
        blocks_count_alloc(self, size);
}

static inline unsigned new_flags(const struct thread_state *self, uint32_t stack)
{
    return (self->internal ? RECORD_FLAG_OWN : self->ignore_depth ? RECORD_FLAG_IGNORED : 0)
         | (engine.sampled && stack ? RECORD_FLAG_SAMPLED : 0);
}

static void *in_heap(struct thread_state *self, const struct heap_block *block, size_t size, enum record_allocator call,
                     unsigned flags, uint32_t stack)
{
    struct guard_block guarded = {block->start + guard_setting.front, size, block->room - guard_setting.front};
    bool zero = flags & ENGINE_ZERO;
    struct record_block *record = block->tag;
    unsigned kept = new_flags(self, stack);

    __atomic_store_n(&record->head, record_head(size, call, kept, RECORD_BLOCK_BUSY), __ATOMIC_RELAXED);
    guard_arm(&guarded, !zero);
    if (zero && !block->zeroed)
        memory_fill(guarded.address, 0, size);
    publish(self, record, size, call, kept, stack);
    if (!block->region->stride)
        blocks_note_slot(block);
    return guarded.address;
}

/* Watchpoints beside the block, unless libc or the loader allocated it for itself. */
static void watch_beside(char *address, size_t size, char *low, char *high, enum pageguard_watch watch,
                         const struct capture_start *from)
{
    const struct record_module *caller = modules_at(modules_known(from->pc));
    if (caller && caller->flags & (RECORD_MODULE_LIBC | RECORD_MODULE_LOADER))
        return;
    struct watch_subject subject = {address, size, low, high};
    watch_place(&subject, watch == PAGEGUARD_WATCH_SUSPECT ? WATCH_WANTED : watch == PAGEGUARD_WATCH ? WATCH_NEWEST : WATCH_IF_FREE);
}

/* A block between page guards; NULL: none is to be had. */
static void *between_guards(struct thread_state *self, size_t size, size_t align, enum record_allocator call,
                            unsigned flags, uint32_t stack, enum pageguard_side side, struct pageguard_slot *taken)
{
    struct pageguard_slot slot;
    char *address;
    if (!pageguard_take(size, align, side, &slot, &address))
        return NULL;
    *taken = slot;
    struct record_block *record = &slot.record->block;
    unsigned kept = new_flags(self, stack) | RECORD_FLAG_PAGE_GUARD;
    __atomic_store_n(&record->head, record_head(size, call, kept, RECORD_BLOCK_BUSY), __ATOMIC_RELAXED);
    __atomic_store_n(&slot.record->address, (uintptr_t)address, __ATOMIC_RELEASE);
    if (!(flags & ENGINE_ZERO) && guard_setting.fill_alloc != GUARD_NO_FILL)
        memory_fill(address, (int)guard_setting.fill_alloc, size);
    else if (flags & ENGINE_ZERO)
        memory_fill(address, 0, size);
    publish(self, record, size, call, kept, stack);
    return address;
}

/* No memory: what is held back in the quarantine is needed more than watched. */
static void *after_drain(struct thread_state *self, size_t size, size_t room, size_t align, enum record_allocator call,
                         unsigned flags, uint32_t stack)
{
    struct heap_block block;
    if (self->depth != 1 || !quarantine_on() || !quarantine_drain(&self->quarantine))
        return NULL;
    return heap_alloc(engine.heap, room, align, &block) ? in_heap(self, &block, size, call, flags, stack) : NULL;
}

/* The last resort: there is no memory for one more record, but there may be for the program. */
static void *unrecorded(size_t size, size_t room, size_t align, unsigned flags)
{
    struct heap_block block;
    if (!engine.unrecorded || !heap_alloc(engine.unrecorded, room, align, &block))
        return NULL;
    char *address = block.start + guard_setting.front;
    if (flags & ENGINE_ZERO && !block.zeroed)
        memory_fill(address, 0, size);
    if (__atomic_fetch_add(&midden_anchor.unrecorded_blocks, 1, __ATOMIC_RELAXED) == 0)
        print_line("no memory for more records: from here on blocks go unrecorded; the report says how many");
    __atomic_fetch_add(&midden_anchor.unrecorded_bytes, size, __ATOMIC_RELAXED);
    return address;
}

/* A block with a record, guards and all; NULL: there is no memory for one of them. */
static void *recorded(struct thread_state *self, struct heap *heap, size_t size, size_t room, size_t align,
                      enum record_allocator call, unsigned flags, const struct capture_start *from)
{
    struct heap_block block;
    void *result = NULL;
    uint32_t stack = heap == engine.heap ? take_stack(self, size, from) : 0;
    struct pageguard_choice choice = {PAGEGUARD_NONE, PAGEGUARD_UNWATCHED};
    struct pageguard_slot slot;
    watch_tick();
    if (stack)
        choice = pageguard_choose(self, stack, size, align);
    if (choice.side != PAGEGUARD_NONE
        && (result = between_guards(self, size, align, call, flags, stack, choice.side, &slot))) {
        if (choice.watch)
            watch_beside(result, size, slot.data, slot.data + slot.data_bytes, choice.watch, from);
    } else if (heap && heap_alloc(heap, room, align, &block)) {
        result = in_heap(self, &block, size, call, flags, stack);
        if (__builtin_expect(choice.watch, 0))
            watch_beside(result, size, block.start, block.start + block.room, choice.watch, from);
    }
    return __builtin_expect(result != NULL, 1) ? result : after_drain(self, size, room, align, call, flags, stack);
}

/* Once the memory for records is used up, finding that out again costs system calls each time. So after each refusal twice as many
 * allocations go without asking, up to MOST_PASSED; by then the program may have freed something. */
static uint32_t passing;        /* allocations still to pass; atomic */
static uint32_t last_passed;    /* how many it was the last time, 0: the heap did not refuse; atomic */
#define MOST_PASSED 4096u

static bool worth_asking(void)
{
    uint32_t left = __atomic_load_n(&passing, __ATOMIC_RELAXED);
    if (__builtin_expect(!left, 1))
        return true;
    __atomic_store_n(&passing, left - 1, __ATOMIC_RELAXED);
    return false;
}

static void note_answer(bool refused)
{
    uint32_t last = __atomic_load_n(&last_passed, __ATOMIC_RELAXED);
    if (__builtin_expect(!refused && !last, 1))
        return;
    last = !refused ? 0 : !last ? 1 : last < MOST_PASSED ? 2 * last : last;
    __atomic_store_n(&last_passed, last, __ATOMIC_RELAXED);
    __atomic_store_n(&passing, last, __ATOMIC_RELAXED);
}

void *engine_alloc(size_t size, size_t align, enum record_allocator call, unsigned flags, const struct capture_start *from)
{
    if (__builtin_expect(engine.stage < ENGINE_READY, 0))
        engine_start();
    struct thread_state *self = threads_self();
    bool first = engine_enter(self);
    struct heap *heap = __builtin_expect(first, 1) ? engine.heap : engine.reserve;
    size_t room;
    void *result = NULL;
    if (__builtin_expect(!room_for(size, &room), 0)) {
        if (first && !self->internal) {
            struct record_finding finding;
            fault_of_size(size, call, &finding);
            report_finding(self, &finding, from);
        }
    } else {
        if (flags & ENGINE_ROOMY && heap == engine.heap)
            room += size / 8;
        bool asked = worth_asking();
        if (__builtin_expect(asked, 1))
            result = recorded(self, heap, size, room, align, call, flags, from);
        if (__builtin_expect(!result, 0)) {
            result = unrecorded(size, room, align, flags);
            if (!result && !asked)
                result = recorded(self, heap, size, room, align, call, flags, from);
            else
                note_answer(result != NULL);
        } else {
            note_answer(false);
        }
        if (midden_anchor.profile == PROFILE_PARANOID && first)
            report_sweep_now_and_then(self);
    }
    engine_leave(self);
    return result;
}

void engine_resized_to_zero(enum record_allocator call, const struct capture_start *from)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self) && !self->internal) {
        struct record_finding finding;
        fault_of_size(0, call, &finding);
        finding.severity = RECORD_SEVERITY_NOTE;
        report_finding(self, &finding, from);
    }
    engine_leave(self);
}

void engine_overflowed(size_t count, size_t size, enum record_allocator call, const struct capture_start *from)
{
    (void)count;
    (void)size;
    struct thread_state *self = threads_self();
    if (engine_enter(self) && !self->internal) {
        struct record_finding finding;
        fault_of_size(RECORD_UNKNOWN, call, &finding);
        report_finding(self, &finding, from);
    }
    engine_leave(self);
}

/* Changes a living block where it is, for profiles without guards, where a stale pointer to the old place is not looked for. */
static bool resize_in_place(struct thread_state *self, struct place *place, size_t size, enum record_allocator call,
                            const struct capture_start *from)
{
    struct record_block *record = place->record;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_RELAXED);
    size_t room, old = record_head_size(head);
    if (guard_setting.rear || place->guarded || !room_for(size, &room)
        || !heap_resize(place->owner, &place->block, room ? room : 1))
        return false;
    uint32_t stack = take_stack(self, size, from);
    __atomic_store_n(&record->head, record_head(old, call, record_head_flags(head), RECORD_BLOCK_BUSY), __ATOMIC_RELAXED);
    record->alloc_stack = stack;
    record->alloc_thread = (uint16_t)self->index;
    record->sequence = blocks_next_sequence(self);
    __atomic_store_n(&record->head, record_head(size, call, record_head_flags(head), RECORD_BLOCK_LIVE), __ATOMIC_RELEASE);
    if (!(record_head_flags(head) & RECORD_FLAG_OWN)) {
        blocks_count_free(self, old);
        blocks_count_alloc(self, size);
    }
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
    __atomic_store_n(&record->head, record_head(old, call, record_head_flags(head), RECORD_BLOCK_BUSY), __ATOMIC_RELAXED);
    if (guard_setting.fill_alloc != GUARD_NO_FILL)
        memory_fill(place->address + old, (int)guard_setting.fill_alloc, size - old);
    guard_arm(&after, false);
    record->alloc_stack = stack;
    record->alloc_thread = (uint16_t)self->index;
    record->sequence = blocks_next_sequence(self);
    __atomic_store_n(&record->head, record_head(size, call, record_head_flags(head), RECORD_BLOCK_LIVE), __ATOMIC_RELEASE);
    if (!(record_head_flags(head) & RECORD_FLAG_OWN)) {
        blocks_count_free(self, old);
        blocks_count_alloc(self, size);
    }
    return true;
}

bool engine_realloc(void *old, size_t size, enum record_allocator call, const struct capture_start *from, void **moved)
{
    if (__builtin_expect(engine.stage < ENGINE_READY, 0))
        engine_start();
    struct thread_state *self = threads_self();
    if (self->depth) {
        /* In a signal handler that interrupted the engine: no look-up is safe, so the old size cannot be known. */
        return false;
    }
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

    void *new = engine_alloc(size, 0, call, grows ? ENGINE_ROOMY : 0, from);
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

size_t engine_usable_size(const void *address)
{
    if (!address || engine.stage < ENGINE_READY)
        return 0;
    struct thread_state *self = threads_self();
    size_t size = 0;
    if (engine_enter(self)) {
        struct place place;
        if (blocks_find(address, &place) && place.address == (const char *)address) {
            uint64_t head = place.record ? __atomic_load_n(&place.record->head, __ATOMIC_RELAXED)
                : record_head(place.block.room - guard_setting.front, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE);
            if (record_head_state(head) == RECORD_BLOCK_LIVE)
                size = record_head_size(head);
        }
    }
    engine_leave(self);
    return size;
}

size_t engine_trim(void)
{
    struct thread_state *self = threads_self();
    size_t bytes = engine_enter(self) && engine.heap ? heap_trim(engine.heap) : 0;
    engine_leave(self);
    return bytes;
}

void engine_stats(struct engine_stats *stats)
{
    struct heap_engine_stats engines[HEAP_ENGINES];
    memory_fill(stats, 0, sizeof *stats);
    struct thread_state *self = threads_self();
    if (engine_enter(self) && engine.heap) {
        blocks_fold(self);
        heap_stats(engine.heap, engines);
        stats->live_bytes = __atomic_load_n(&midden_anchor.live_bytes, __ATOMIC_RELAXED);
        stats->live_blocks = __atomic_load_n(&midden_anchor.live_blocks, __ATOMIC_RELAXED);
        stats->peak_bytes = __atomic_load_n(&midden_anchor.peak_bytes, __ATOMIC_RELAXED);
        stats->mapped_bytes = engines[HEAP_AUTO].mapped;
        stats->free_bytes = engines[HEAP_AUTO].free_bytes;
        stats->huge_bytes = engines[HEAP_HUGE].occupied;
        stats->huge_blocks = engines[HEAP_HUGE].blocks;
    }
    engine_leave(self);
}
