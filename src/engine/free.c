/* Taking blocks back.
 *
 * look the block up → its record must be LIVE and the address its start, or it is a finding and nothing else happens → claim it
 * (LIVE becomes BUSY by compare-and-swap, so that of two threads exactly one frees and the other is a double free) → compare the
 * witnesses, the family and the sizes → write the witnesses of a freed block → hold it back, or give it to the heap.
 *
 * The quick way (free_quickly) is for the living block of a slab with no flags in its record, freed by the right function: all is compiled
 * into one function, and nothing has changed when it finds that it is not for this block. The long way (take_back) is for all else. */
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "check/fault.h"
#include "check/guard.h"
#include "check/quarantine.h"
#include "check/sites.h"
#include "check/watch.h"
#include "check/zones.h"
#include "engine/held.h"
#include "engine/publish.h"
#include "engine/state.h"
#include "heap/quick.h"
#include "trace/depot.h"
#include "trace/modules.h"

#define SHUT_COST ((size_t)64 << 10)    /* what a shut block counts in the quarantine: address space and a mapping, no memory */

/* Another thread is freeing the block at this moment: in a little while its record says where. */
static void wait_while_busy(const struct record_block *record)
{
    for (unsigned i = 0; i < 1000 && record_head_state(__atomic_load_n(&record->head, __ATOMIC_ACQUIRE)) == RECORD_BLOCK_BUSY; i++)
        kernel_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void bad_free(struct thread_state *self, void *address, enum record_allocator call, const struct place *place,
                     const struct capture_start *from)
{
    struct record_finding finding;
    if (place)
        wait_while_busy(place->record);
    fault_of_free(address, call, place ? place->record : NULL, place ? place->address : NULL, from ? from->sp : 0, &finding);
    report_finding(self, &finding, from);
}

/* true: the frame `pc` is in a module with operators new and delete of its own: it may have called one of them, compiled into or
 * jumped to from the function that we saw. */
static bool replaces_operators(uintptr_t pc)
{
    const struct record_module *module = modules_at(modules_of(pc));
    return module && module->flags & RECORD_MODULE_OPERATORS;
}

static void mismatch(const struct place *place, enum record_allocator call, const struct capture_start *from,
                     struct record_finding *finding)
{
    fault_of_mismatch(place->address, place->record, call, RECORD_UNKNOWN, RECORD_DETAIL_NONE, finding);
    uintptr_t allocated_from;
    if ((from && replaces_operators(from->pc))
        || (depot_frames(place->record->alloc_stack, &allocated_from, 1) && replaces_operators(allocated_from)))
        finding->severity = RECORD_SEVERITY_WARNING;
}

/* Aligned forms of new go with aligned forms of delete. */
static bool is_aligned_form(enum record_allocator call)
{
    switch (call) {
    case RECORD_BY_NEW_ALIGNED: case RECORD_BY_NEW_ALIGNED_NOTHROW:
    case RECORD_BY_NEW_ARRAY_ALIGNED: case RECORD_BY_NEW_ARRAY_ALIGNED_NOTHROW:
    case RECORD_BY_DELETE_ALIGNED: case RECORD_BY_DELETE_SIZED_ALIGNED: case RECORD_BY_DELETE_ALIGNED_NOTHROW:
    case RECORD_BY_DELETE_ARRAY_ALIGNED: case RECORD_BY_DELETE_ARRAY_SIZED_ALIGNED: case RECORD_BY_DELETE_ARRAY_ALIGNED_NOTHROW:
        return true;
    default:
        return false;
    }
}

/* What the call says about the block, against what the record says. */
static void compare_call(struct thread_state *self, const struct place *place, uint64_t head, enum record_allocator call,
                         size_t size, size_t align, const struct capture_start *from)
{
    struct record_finding finding;
    enum record_family gave = fault_family((enum record_allocator)record_head_allocator(head));
    if (gave != fault_family(call))
        mismatch(place, call, from, &finding);
    else if (size != ENGINE_NO_SIZE && size != record_head_size(head))
        fault_of_mismatch(place->address, place->record, call, size, RECORD_DETAIL_SIZE, &finding);
    else if (gave != RECORD_FAMILY_MALLOC && is_aligned_form((enum record_allocator)record_head_allocator(head)) != is_aligned_form(call))
        fault_of_mismatch(place->address, place->record, call, align, RECORD_DETAIL_ALIGNMENT, &finding);
    else if (align && (uintptr_t)place->address & (align - 1))
        fault_of_mismatch(place->address, place->record, call, align, RECORD_DETAIL_ALIGNMENT, &finding);
    else
        return;
    finding.block.head = record_head_told(head);
    report_finding(self, &finding, from);
}

static void tell_damage(struct thread_state *self, const struct place *place, uint64_t head, enum record_allocator call,
                        const struct guard_damage *damage, const struct capture_start *from)
{
    struct record_finding finding;
    struct guard_block guarded = blocks_guarded(place, record_head_size(head));
    fault_of_damage(&guarded, place->record, damage, false, RECORD_AT_FREE, &finding);
    finding.block.head = record_head_told(head);
    finding.call = (uint8_t)call;
    site_suspect(place->record->alloc_stack);
    report_finding(self, &finding, from);
}

/* The block's witnesses, on its way out: what is wrong behind it and what is wrong in front of it are two mistakes, and one may be
 * known already. */
static void compare_witnesses(struct thread_state *self, const struct place *place, uint64_t head, enum record_allocator call,
                              const struct capture_start *from)
{
    struct guard_damage damage;
    size_t size = record_head_size(head);
    if (__builtin_expect(blocks_whole(place, size, &damage), 1))
        return;
    struct guard_block guarded = blocks_guarded(place, size);
    struct guard_damage before;
    bool behind = damage.first >= guarded.address + size;
    bool both = behind && !blocks_whole_before(place, size, &before) && !report_is_one_run(&guarded, &damage, &before);
    /* Asked before the first is told: then that one would count as what is known of the block. */
    bool tell = report_is_news(place->record, guarded.address, head, !behind);
    bool tell_before = both && report_is_news(place->record, guarded.address, head, true);
    if (tell)
        tell_damage(self, place, head, call, &damage, from);
    if (tell_before)
        tell_damage(self, place, head, call, &before, from);
    blocks_mend(place, size);
}

static __attribute__((noinline)) void neighbour_damaged(struct thread_state *self, const char *address, uint64_t head,
                                                        const struct capture_start *from)
{
    struct place near;
    if (blocks_find(address, &near))
        report_damage(self, &near, head, RECORD_AT_SWEEP, from);
}

/* Looks at the neighbour's zone that borders on this block's. side: -1 or 1. */
static inline void compare_neighbour(struct thread_state *self, const struct heap_block *block, int side, const struct capture_start *from)
{
    const struct heap_region *region = block->region;
    if (block->slot + (uint32_t)side >= region->slots)
        return;         /* below the first, too: it wraps */
    const struct record_block *record = (const struct record_block *)block->tag + side;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    if (record_head_state(head) != RECORD_BLOCK_LIVE || record_head_flags(head) & RECORD_FLAG_DAMAGED)
        return;
    struct guard_block guarded = {block->start + guard_setting.front + (ptrdiff_t)region->stride * side, record_head_long_size(head),
                                  region->stride - guard_setting.front};
    if (__builtin_expect(!(side < 0 ? zones_rear_whole(&guarded) : zones_front_whole(&guarded)), 0))
        neighbour_damaged(self, guarded.address, head, from);
}

/* The blocks on both sides, in a slab: what of their zones borders on this block's, and their records, are at hand. */
static inline void compare_neighbours(struct thread_state *self, const struct heap_block *block, const struct capture_start *from)
{
    compare_neighbour(self, block, -1, from);
    compare_neighbour(self, block, 1, from);
}

/* Marks the record as freed and lets the memory go: to the quarantine, behind page guards, or to the heap. */
static void let_go(struct thread_state *self, struct place *place, uint64_t head, uint32_t free_stack)
{
    struct record_block *record = place->record;
    size_t size = record_head_size(head);
    unsigned flags = record_head_flags(head);
    bool held = place->guarded || (place->owner == engine.heap && quarantine_on());
    if (record_head_is_lean(head))
        head |= lean_freed_by(self);
    else
        write_death(record, free_stack, (uint16_t)self->index);
    size_t held_bytes = place->guarded ? 0 : place->block.room;
    if (held)
        quarantine_make_way(self);
    if (place->guarded) {
        flags |= RECORD_FLAG_INACCESSIBLE;
    } else if (held && size >= GUARD_SHUT_LEAST && place->block.region->engine == HEAP_HUGE
               && guard_shut(place->block.region->base, place->block.region->bytes)) {
        flags |= RECORD_FLAG_INACCESSIBLE;
        held_bytes = SHUT_COST;
    } else {
        struct guard_block guarded = blocks_guarded(place, size);
        guard_retire(&guarded);
    }
    set_dead(record, head | (uint64_t)flags << RECORD_FLAGS_SHIFT, held ? RECORD_BLOCK_QUARANTINED : RECORD_BLOCK_FREE);
    if (!(flags & RECORD_FLAG_OWN))
        blocks_count_free(self, size);
    if (place->guarded)
        pageguard_retire(&place->slot);
    else if (!held)
        heap_free(place->owner, &place->block);
    else if (!quarantine_put(self, &place->block, held_bytes))
        quarantine_release(&place->block);
}

/* The block becomes the caller's to free: of two threads one succeeds. While there is one thread nobody else can come between, and a
 * locked instruction is spared. *head: what the record's head is expected to be, and was. address: see held.h. */
static inline bool claim(struct record_block *record, const void *address, uint64_t *head)
{
    uint64_t busy = head_in(*head, RECORD_BLOCK_BUSY);
    if (threads_running() == 1)
        __atomic_store_n(&record->head, busy, __ATOMIC_RELAXED);
    else if (!__atomic_compare_exchange_n(&record->head, head, busy, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
        return false;
    held_until_here(address);
    return true;
}

/* Which call freed a block has no room in its record. A reader takes it for the plain one of the block's family, as it nearly always is; of
 * another one the stack says so itself, by an innermost frame at that function's entry. */
#define CALL(id) (1ull << RECORD_BY_##id)
#define NOT_PLAIN (CALL(REALLOC) | CALL(REALLOCARRAY) | CALL(CFREE) | CALL(FREE_SIZED) | CALL(FREE_ALIGNED_SIZED))

static __attribute__((noinline)) uint32_t stack_through(uint32_t stack, enum record_allocator call)
{
    const uint64_t *entries = (const uint64_t *)(uintptr_t)midden_anchor.entry_points;
    uint32_t through = stack && entries && entries[call] ? depot_node(stack, entries[call], 0) : 0;
    return through ? through : stack;
}

static inline uint32_t take_free_stack(const struct thread_state *self, uint64_t head, const struct capture_start *from)
{
    bool wanted = engine.free_stacks && from && !self->internal && (!engine.sampled || record_head_flags(head) & RECORD_FLAG_SAMPLED);
    return wanted ? capture_once(from) : 0;
}

static void take_back(struct thread_state *self, void *address, enum record_allocator call, size_t size, size_t align,
                      const struct capture_start *from)
{
    struct place place;
    if (!blocks_find(address, &place)) {
        bad_free(self, address, call, NULL, from);
        return;
    }
    if (__builtin_expect(!place.record, 0)) {   /* unrecorded: nothing to compare with */
        if (place.address == (char *)address)
            heap_free(place.owner, &place.block);
        else
            bad_free(self, address, call, NULL, from);
        return;
    }
    uint64_t head = __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE);
    bool living = record_head_state(head) == RECORD_BLOCK_LIVE && place.address == (char *)address;
    while (living && __builtin_expect(!claim(place.record, address, &head), 0))
        living = record_head_state(head) == RECORD_BLOCK_LIVE;     /* still: another thread found it damaged just now, and marked it */
    if (__builtin_expect(!living, 0)) {
        bad_free(self, address, call, &place, from);
        return;
    }
    uint32_t free_stack = take_free_stack(self, head, from);
    if (NOT_PLAIN >> call & 1 || fault_family(call) != fault_family((enum record_allocator)record_head_allocator(head)))
        free_stack = stack_through(free_stack, call);
    watch_remove(place.address);
    if (guard_setting.rear || place.guarded) {
        compare_witnesses(self, &place, head, call, from);
        if (!place.guarded && place.block.region->stride)
            compare_neighbours(self, &place.block, from);
    }
    if (!(record_head_flags(head) & RECORD_FLAG_OWN))
        compare_call(self, &place, head, call, size, align, from);
    let_go(self, &place, head, free_stack);
}

/* ---- the quick way ---------------------------------------------------------------------------------------------------------- */

/* Per function that takes a block, a bit for each function whose blocks it may take. */
static uint64_t takes[RECORD_ALLOCATORS];

void free_init(void)
{
    for (unsigned call = 0; call < RECORD_ALLOCATORS; call++)
        for (unsigned gave = 0; gave < RECORD_ALLOCATORS; gave++) {
            enum record_family family = fault_family((enum record_allocator)gave);
            if (family == fault_family((enum record_allocator)call)
                && (family == RECORD_FAMILY_MALLOC || is_aligned_form((enum record_allocator)gave) == is_aligned_form((enum record_allocator)call)))
                takes[call] |= 1ull << gave;
        }
}

/* A block that a slab gave and that the thread has claimed: its own witnesses are damaged. */
static __attribute__((noinline)) void tell_zones(struct thread_state *self, char *address, uint64_t head, enum record_allocator call,
                                                 const struct capture_start *from)
{
    struct place place;
    if (blocks_find(address, &place))
        compare_witnesses(self, &place, head, call, from);
}

/* What signal handlers freed while the thread was inside the engine. */
void free_deferred(struct thread_state *self, bool everyones)
{
    enum record_allocator put_off;
    uint32_t from = 0;
    void *block;
    self->deferred = false;     /* first: a handler may put off another one meanwhile */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    while ((block = deferred_take(self, everyones, &from, &put_off)))
        take_back(self, block, put_off, ENGINE_NO_SIZE, 0, NULL);
}

static void end(struct thread_state *self)
{
    if (__builtin_expect(self->deferred, 0))
        free_deferred(self, false);
    engine_leave(self);
}

/* The long way: what the quick one did not take. */
static __attribute__((noinline)) void free_slowly(void *address, enum record_allocator call, size_t size, size_t align,
                                                  const struct capture_start *from)
{
    if (engine.stage < ENGINE_READY)
        engine_start();
    struct thread_state *self = threads_self();
    if (__builtin_expect(!engine_enter(self), 0)) {
        deferred_put(self, address, call);
        engine_leave(self);
        return;
    }
    /* The loader frees when it unloads a library: what is remembered of code addresses may be stale. */
    if (from && modules_is_loader(from->pc))
        modules_suspect();
    take_back(self, address, call, size, align, from);
    end(self);
}

/* true: nothing is unusual about the block and the call, and the block is the caller's to free. *head: of the record as it was. */
ALWAYS_INLINE bool claim_plain(struct record_block *record, const char *address, enum record_allocator call, size_t size, size_t align,
                               uint64_t *head)
{
    *head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    return __builtin_expect(is_plain(*head) && takes[call] >> record_head_allocator(*head) & 1, 1)
        && __builtin_expect(size == ENGINE_NO_SIZE || size == record_head_size(*head), 1)
        && __builtin_expect(!align || !((uintptr_t)address & (align - 1)), 1) && __builtin_expect(claim(record, address, head), 1);
}

/* The program may have left the block long ago. Where it begins is known before anything else: the lines of the zone in front, and of the
 * neighbour's behind which it lies. */
static inline void prefetch_front(const char *address)
{
    __builtin_prefetch(address - 48);
    __builtin_prefetch(address - 16, 1);
}

/* Its record, those beside it and its end come while the stack is captured. */
static inline void prefetch_freed(const struct heap_block *block)
{
    const struct record_block *record = block->tag;
    __builtin_prefetch(record, 1);
    __builtin_prefetch((const char *)(record + 1) + sizeof record->head - 1);
    __builtin_prefetch(record - 1);
    __builtin_prefetch(block->start + block->room - 48);
    __builtin_prefetch(block->start + block->room, 1);
}

/* The rest of the quick way in profiles that compare, hold back and take a stack where a block is freed. The engine is entered;
 * it is left. address: of the block in the slot; it is handed on, not computed from that, for it must not be lost (held.h). */
ALWAYS_INLINE void free_checked(struct thread_state *self, char *address, struct heap_region *region, uint32_t slot, enum record_allocator call,
                                size_t size, size_t align, const struct capture_start *from)
{
    struct heap_block block;
    quick_block(region, slot, form_bytes(FORM_LONG), &block);
    struct record_block *record = block.tag;
    bool zones = guard_setting.rear;
    if (zones)
        prefetch_freed(&block);
    bool held = quarantine_on();
    if (held)
        quarantine_make_way(self);
    bool stack = engine.free_stacks && !engine.sampled && !self->internal;
    uint32_t free_stack = stack ? capture_once(from) : 0;
    if (__builtin_expect(NOT_PLAIN >> call & 1, 0))
        free_stack = stack_through(free_stack, call);
    uint64_t head;
    if (__builtin_expect(!claim_plain(record, address, call, size, align, &head), 0)) {
        engine_leave(self);
        free_slowly(address, call, size, align, from);
        return;
    }
    struct guard_block guarded = {address, record_head_long_size(head), block.room - engine.front};
    struct guard_damage damage;
    watch_remove(address);
    if (zones) {
        if (__builtin_expect(!zones_quickly(&guarded, GUARD_MAGIC_USED), 0) && __builtin_expect(!guard_whole(&guarded, &damage), 0))
            tell_zones(self, address, head, call, from);    /* and mends them */
        compare_neighbours(self, &block, from);
    }
    write_death(record, free_stack, (uint16_t)self->index);
    guard_retire_whole(&guarded);
    set_dead(record, head, held ? RECORD_BLOCK_QUARANTINED : RECORD_BLOCK_FREE);
    blocks_count_free(self, guarded.size);
    if (!held)
        heap_free(engine.heap, &block);
    else if (!quarantine_put(self, &block, block.room))
        quarantine_release(&block);
    end(self);
}

/* The thread is looked up again: one argument less. */
static __attribute__((noinline)) void free_checked_from(char *address, struct heap_region *region, uint32_t slot, enum record_allocator call,
                                                        size_t size, size_t align, const struct capture_start *from)
{
    free_checked(thread_self_pointer, held(address), region, slot, call, size, align, from);
}

/* The same of a call that names no size and no alignment. */
static __attribute__((noinline)) void free_checked_frame(struct thread_state *self, char *address, struct heap_region *region,
                                                         uint32_t slot, enum record_allocator call, const struct capture_frame *frame)
{
    struct capture_start from = capture_start_of(frame);
    free_checked(self, held(address), region, slot, call, ENGINE_NO_SIZE, 0, &from);
}

/* The end of the quick way, when the magazine is full. */
static __attribute__((noinline)) void unload(struct thread_state *self, struct heap_region *region, uint32_t slot, size_t size)
{
    struct heap_block block;
    quick_block(region, slot, form_bytes(FORM_LEAN), &block);
    heap_free(engine.heap, &block);
    blocks_count_free(self, size);
    end(self);
}

/* The end, when totals are to be folded or frees wait. */
static __attribute__((noinline)) void fold_and_end(struct thread_state *self)
{
    blocks_fold(self);
    end(self);
}

/* The quick way where the records of slabs are lean. Calls nothing but what ends it, so that the compiler needs to save few registers. The
 * engine is entered; it is left if the block is freed. false: nothing has changed. */
ALWAYS_INLINE bool free_lean(struct thread_state *self, char *address, enum record_allocator call, size_t size, size_t align)
{
    struct heap_block block;
    uint64_t head;
    if (__builtin_expect(!self->magazines, 0)
        || __builtin_expect(!quick_find(engine.heap, self->magazines, address, LEAN_FRONT, form_bytes(FORM_LEAN), &block), 0)
        || __builtin_expect(!claim_plain(block.tag, address, call, size, align, &head), 0))
        return false;
    size_t had = record_head_lean_size(head);
    set_dead(block.tag, head | lean_freed_by(self), RECORD_BLOCK_FREE);
    if (__builtin_expect(!quick_give(self->magazines, &block), 0))
        unload(self, block.region, block.slot, had);
    else if (__builtin_expect(blocks_add_free(self, had) || self->deferred, 0))
        fold_and_end(self);
    else
        engine_leave(self);
    return true;
}

/* The place of the call is `from` or `frame`. false: nothing has changed. */
ALWAYS_INLINE bool free_quickly(char *address, enum record_allocator call, size_t size, size_t align, const struct capture_start *from,
                                const struct capture_frame *frame)
{
    struct thread_state *self = thread_self_pointer;
    struct heap_block block;
    if (__builtin_expect(!self || !__atomic_load_n(&engine.quick_below, __ATOMIC_RELAXED), 0) || __builtin_expect(self->depth, 0)
        || __builtin_expect(modules_is_loader(from ? from->pc : frame->pc), 0))
        return false;
    engine_enter(self);
    if (engine.lean && free_lean(self, address, call, size, align))
        return true;
    prefetch_front(address);
    if (engine.lean || __builtin_expect(!self->magazines, 0)
        || __builtin_expect(!quick_find(engine.heap, self->magazines, address, engine.front, form_bytes(FORM_LONG), &block), 0)) {
        engine_leave(self);
        return false;
    }
    if (from)
        free_checked_from(address, block.region, block.slot, call, size, align, from);
    else
        free_checked_frame(self, address, block.region, block.slot, call, frame);
    return true;
}

void engine_free(void *address, enum record_allocator call, size_t size, size_t align, const struct capture_start *from)
{
    if (__builtin_expect(address != NULL, 1) && __builtin_expect(!free_quickly(address, call, size, align, from, NULL), 0))
        free_slowly(address, call, size, align, from);
}

static __attribute__((noinline)) void free_slowly_plain(void *address, enum record_allocator call, const struct capture_frame *frame)
{
    struct capture_start from = capture_start_of(frame);
    free_slowly(address, call, ENGINE_NO_SIZE, 0, &from);
}

void engine_free_plain(void *address, enum record_allocator call, const struct capture_frame *frame)
{
    if (__builtin_expect(address != NULL, 1) && __builtin_expect(!free_quickly(address, call, ENGINE_NO_SIZE, 0, NULL, frame), 0))
        free_slowly_plain(address, call, frame);
}
