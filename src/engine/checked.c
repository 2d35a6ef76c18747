/* Checked calls: what memcpy, strcpy, read and their like are about to touch, against the records, before they touch it.
 *
 * 1. The place around the first byte is looked up (engine/blocks: lock-free for slots of slabs and page guards), its record's head read
 *    once, and the range judged by it (check/range). Nearly always that is all.
 *    Before that: what the thread's checked calls met by page is asked first (inside.h). The calls that are made most have that compiled into
 *    themselves and come here only with the rest.
 * 2. Of a range that begins outside its block, in the zone between two, the nearer block is the one that was meant.
 * 3. A fault is published and told at once, named after the function called and the place it was called from.
 * 4. Then the way is cleared for the call to do what it would have done without us: every inaccessible page in the range is opened,
 *    for a system call would fail where the program's own access only faults.
 * 5. A write will now damage witnesses, and what reads on past its range (a string without an end) may still meet a guard. The records
 *    of all blocks whose slots are concerned are marked DAMAGED, so that the same mistake is not found again: when the block is freed,
 *    evicted or swept, or at an access.
 *
 * On the stack there are no blocks, but the frames can be walked: a write that goes across the return address above its first byte leaves the
 * frame that it began in.
 *
 * A thread that is inside the engine already (this is a signal handler, or the engine itself) is not checked: it may hold the locks
 * that a look-up takes.
 *
 * Limits: between the check and the call another thread may free the block. Opening stops after MOST_OPENED pages. */
#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/table.h"
#include "check/fault.h"
#include "check/range.h"
#include "check/sites.h"
#include "check/watch.h"
#include "engine/inside.h"
#include "engine/objects.h"
#include "engine/state.h"
#include "trace/modules.h"
#include "trace/walk.h"

#define MOST_NEIGHBOURS 64
#define MOST_OPENED 65536
#define SHORTEST_RUN 16         /* bytes of allocation fill in a row that are no coincidence */

struct engine_bounds engine_bounds;

/* Remembers where a block was met, whose record's head was `head`. Precondition: the engine was entered. */
static void note(struct thread_state *self, uintptr_t start, const struct place *place, uint64_t head)
{
    if (record_head_state(head) != RECORD_BLOCK_LIVE || self->shared)
        return;
    uintptr_t found;
    if (!place->guarded && place->block.region->stride) {
        found = (uintptr_t)place->block.region + INSIDE_SLAB;
        if (place->block.region->engine != HEAP_SLAB || place->owner != engine.heap)
            return;
    } else {
        found = (uintptr_t)place->record - offsetof(struct record_placed, block);
        if (((const struct record_placed *)found)->address != (uintptr_t)place->address)
            return;
    }
    if (!self->inside && !(self->inside = memory_keep(sizeof *self->inside, 64)))
        return;
    __atomic_store_n(&self->inside->places[inside_place(start)], found, __ATOMIC_RELEASE);
}

/* The place around an address, if there is a record of it. */
static inline bool find_recorded(const void *address, struct place *place)
{
    return blocks_find(address, place) && place->record;
}

/* The slot of a place, from its first byte to behind its last; of one between page guards, with the guard page behind. */
static uintptr_t slot_end(const struct place *place)
{
    if (place->guarded)
        return (uintptr_t)place->slot.data + place->slot.data_bytes + kernel_page_size();
    return (uintptr_t)place->block.start + place->block.room;
}

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

/* The function as the program calls it: headers make __memcpy_chk of memcpy and __isoc99_sscanf of sscanf. */
static const char *name_of(const struct engine_call *call, size_t *n)
{
    const char *name = call->name;
    while (*name == '_')
        name++;
    *n = memory_length(name);
    if (*n > 7 && memory_compare(name, "isoc", 4) == 0) {
        name += 7;
        *n -= 7;
    }
    if (*n > 4 && memory_compare(name + *n - 4, "_chk", 4) == 0)
        *n -= 4;
    return name;
}

static uint64_t reference_of(struct engine_call *call)
{
    uint64_t known = __atomic_load_n(&call->reference, __ATOMIC_RELAXED);
    if (known)
        return known;
    size_t n;
    const char *name = name_of(call, &n);
    uint64_t fresh = table_string(name, n);
    /* Of two threads that come here at once one wins: the reference tells mistakes apart, so there must be one. */
    return __atomic_compare_exchange_n(&call->reference, &known, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ? fresh : known;
}

static void tell(struct thread_state *self, struct engine_call *call, struct record_finding *finding,
                 const struct capture_start *caller)
{
    finding->call_name = reference_of(call);
    report_finding(self, finding, caller);
}

/* ---- after a finding ------------------------------------------------------------------------------------------------------- */

/* Opens what is inaccessible on purpose: guard pages, slots that were freed, large blocks that were. */
static void open_pages(uintptr_t start, uintptr_t end)
{
    size_t page = kernel_page_size();
    unsigned opened = 0;
    for (uintptr_t at = start & ~(page - 1); at < end && opened < MOST_OPENED; at += page, opened++) {
        struct place place;
        if (pageguard_find((const void *)at, &place.slot))
            pageguard_open(&place.slot, (const void *)at);
        else if (find_recorded((const void *)at, &place)
                 && record_head_flags(__atomic_load_n(&place.record->head, __ATOMIC_RELAXED)) & RECORD_FLAG_INACCESSIBLE)
            guard_reopen((const void *)at);
        else
            break;
    }
}

static void mark(struct record_block *record)
{
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_RELAXED);
    while ((record_head_state(head) == RECORD_BLOCK_LIVE || record_head_state(head) == RECORD_BLOCK_QUARANTINED)
           && !__atomic_compare_exchange_n(&record->head, &head, head | (uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT,
                                           true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

/* Marks the blocks of one region whose slots the range concerns. */
static void mark_in_region(const struct record_region *region, uintptr_t start, uintptr_t end)
{
    uint32_t slots = __atomic_load_n(&region->slots, __ATOMIC_ACQUIRE);
    if (region->stride) {
        struct record_block *records = (struct record_block *)(uintptr_t)region->records;
        uint32_t first = start > region->base ? (uint32_t)((start - region->base) / region->stride) : 0;
        for (uint32_t i = first; i < slots && region->base + (uint64_t)i * region->stride < end; i++)
            mark(&records[i]);
        return;
    }
    struct record_placed *records = (struct record_placed *)(uintptr_t)region->records;
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t address = __atomic_load_n(&records[i].address, __ATOMIC_ACQUIRE);
        uint64_t size = record_head_size(__atomic_load_n(&records[i].block.head, __ATOMIC_RELAXED));
        if (address && address - guard_setting.front < end && address + size + guard_setting.rear > start)
            mark(&records[i].block);
    }
}

/* Nearly always the range ends in the slot that it began in, or a few further. Where it goes on beyond the slots that lie side by side, all
 * regions are gone through. */
static void mark_damaged(uintptr_t start, uintptr_t end)
{
    struct place place;
    for (unsigned i = 0; start < end && i < MOST_NEIGHBOURS && find_recorded((const void *)start, &place); i++) {
        mark(place.record);
        start = slot_end(&place);
    }
    if (start >= end)
        return;
    const struct record_table *regions = anchor_table(RECORD_TABLE_REGIONS);
    uint64_t n = __atomic_load_n(&regions->count, __ATOMIC_ACQUIRE);
    for (uint64_t i = 1; i < n; i++) {
        const struct record_region *region = table_at(regions, i);
        if (region && __atomic_load_n(&region->state, __ATOMIC_ACQUIRE) == RECORD_REGION_OPEN && region->base < end
            && region->base + region->bytes > start)
            mark_in_region(region, start, end);
    }
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------ */

size_t engine_room(const void *address)
{
    struct thread_state *self = threads_self();
    size_t room = RANGE_UNKNOWN;
    size_t rest = inside_rest(inside_own(), (uintptr_t)address);
    if (__builtin_expect(rest != 0, 1))
        return rest;
    if (engine_enter(self)) {
        struct place place;
        if (find_recorded(address, &place)) {
            uint64_t head = __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE);
            room = range_room((uintptr_t)address, (uintptr_t)place.address, head);
            if (room && room != RANGE_UNKNOWN)
                note(self, (uintptr_t)address, &place, head);
        }
    }
    engine_leave(self);
    return room;
}

/* The block that a range is about, in *place; the head of its record. 0: there is none. */
static uint64_t block_meant(const void *start, size_t n, struct place *place)
{
    if (!find_recorded(start, place))
        return 0;
    uint64_t head = __atomic_load_n(&place->record->head, __ATOMIC_ACQUIRE);
    uintptr_t at = (uintptr_t)start, end = (uintptr_t)place->address + (uintptr_t)record_head_size(head);
    if (__builtin_expect(at < end && record_head_state(head) >= RECORD_BLOCK_LIVE, 1) || place->guarded)
        return head;
    struct place behind;
    if (record_head_state(head) == RECORD_BLOCK_EMPTY)
        end = 0;        /* nobody's memory: if the range reaches the block behind, that is the one that was meant */
    if (at < slot_end(place) && find_recorded((const void *)slot_end(place), &behind) && !behind.guarded
        && record_head_state(behind.record->head) == RECORD_BLOCK_LIVE
        && range_belongs_behind(at, n, end, (uintptr_t)behind.address)) {
        *place = behind;
        head = __atomic_load_n(&place->record->head, __ATOMIC_ACQUIRE);
    }
    return head;
}

static __attribute__((noinline)) void at_fault(struct thread_state *self, struct engine_call *call, enum record_access access,
                                               uintptr_t start, size_t n, const struct place *place, uint64_t head,
                                               const struct range_fault *fault, const struct capture_start *caller)
{
    struct record_finding finding;
    fault_of_range(fault, access, n, place->record, place->address, &finding);
    finding.block.head = record_head_told(head);
    site_suspect(place->record->alloc_stack);
    tell(self, call, &finding, caller);
    uintptr_t end = n < UINTPTR_MAX - start ? start + n : UINTPTR_MAX;
    bool shut = place->guarded || record_head_flags(head) & RECORD_FLAG_INACCESSIBLE;
    if (access == RECORD_ACCESS_WRITE || shut)
        mark_damaged(start, end);
    if (shut)   /* and a page more: a string is read on, and wide loads reach ahead */
        open_pages(start, end < UINTPTR_MAX - kernel_page_size() ? end + kernel_page_size() : end);
}

/* By the records. */
static __attribute__((noinline)) void look_up_range(struct engine_call *call, enum record_access access, uintptr_t start, size_t n,
                                                    const struct capture_start *caller)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self)) {
        watch_tick();
        struct place place;
        struct range_fault fault;
        struct record_finding finding;
        uint64_t head = block_meant((const void *)start, n, &place);
        if (__builtin_expect(head && range_judge(start, n, (uintptr_t)place.address, head, &fault), 0))
            at_fault(self, call, access, start, n, &place, head, &fault, caller);
        else if (objects_check((const void *)start, n, access, &finding))
            tell(self, call, &finding, caller);
        else if (head)
            note(self, start, &place, head);
    }
    engine_leave(self);
}

void engine_check_range(struct engine_call *call, enum record_access access, const void *start, size_t n,
                        const struct capture_start *caller)
{
    if (__builtin_expect(inside_unsure(start, n), 0))
        look_up_range(call, access, (uintptr_t)start, n, caller);
}

size_t engine_stack_room(const void *address, const struct capture_start *caller)
{
    struct thread_state *self = threads_self();
    size_t room = RANGE_UNKNOWN;
    if (engine_enter(self)) {
        uintptr_t slot = capture_return_slot(caller, (uintptr_t)address);
        if (slot)
            room = slot - (uintptr_t)address;
    }
    engine_leave(self);
    return room;
}

/* true: what is to be stored from `at` on has return addresses in it: it is a stack that was copied away, as coroutines do, and is now
 * brought back over frames that nobody will return to. */
static bool is_stack_copy(const char *content, size_t n, uintptr_t at)
{
    if (!content)
        return false;
    for (size_t i = (size_t)-at & 7; i < n && n - i >= sizeof(uintptr_t); i += sizeof(uintptr_t)) {
        uintptr_t value;
        memory_copy(&value, content + i, sizeof value);
        if (modules_known(value) && kernel_readable((const void *)(value - 8), 8) && walk_follows_call(value))
            return true;
    }
    return false;
}

void engine_check_stack(struct engine_call *call, const void *start, size_t n, const void *content, const struct capture_start *caller)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self)) {
        uintptr_t at = (uintptr_t)start, slot = capture_return_slot(caller, at);
        if (__builtin_expect(slot && n > slot - at && !is_stack_copy(content, n, at), 0)) {
            struct record_finding finding;
            fault_of_stack(slot, n - (slot - at), n, &finding);
            tell(self, call, &finding, caller);
        }
    }
    engine_leave(self);
}

void engine_check_overlap(struct engine_call *call, const void *to, size_t to_bytes, const void *from, size_t from_bytes,
                          const struct capture_start *caller)
{
    size_t common = range_common((uintptr_t)to, to_bytes, (uintptr_t)from, from_bytes);
    if (!common || to == from || !engine_checks_calls())
        return;
    struct thread_state *self = threads_self();
    if (engine_enter(self)) {
        struct place place;
        struct record_finding finding;
        bool inside = engine_may_be_heap(to) && find_recorded(to, &place)
            && record_head_state(place.record->head) >= RECORD_BLOCK_LIVE;
        fault_of_overlap(to, from_bytes, common, inside ? place.record : NULL, inside ? place.address : NULL, &finding);
        tell(self, call, &finding, caller);
    }
    engine_leave(self);
}

void engine_check_output(struct engine_call *call, const void *start, size_t n, const struct capture_start *caller)
{
    if (!config_yes(OPTION_CHECK_OUTPUT) || guard_setting.fill_alloc == GUARD_NO_FILL)
        return;
    struct thread_state *self = threads_self();
    if (engine_enter(self)) {
        struct place place;
        bool found = find_recorded(start, &place);
        uint64_t head = found ? __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE) : 0;
        size_t room = found ? range_room((uintptr_t)start, (uintptr_t)place.address, head) : RANGE_UNKNOWN, length = 0;
        if (room != RANGE_UNKNOWN) {
            size_t most = n < room ? n : room;
            size_t at = range_run(start, most, (int)guard_setting.fill_alloc, SHORTEST_RUN, &length);
            if (at < most) {
                struct record_finding finding;
                fault_of_output((const char *)start + at, length, n, place.record, place.address, &finding);
                finding.block.head = record_head_told(head);
                tell(self, call, &finding, caller);
            }
        }
    }
    engine_leave(self);
}
