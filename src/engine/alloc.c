/* Giving blocks out.
 *
 * capture the stack → take a place from the heap, guards included → write the witnesses → publish the record → count. The record
 * is BUSY from the moment the place is ours until everything about the block is true, and LIVE from the last store on.
 *
 * There are two ways to the same result:
 *
 * 1. The quick way, engine_alloc: a small block without an unusual wish, on a thread with nothing unusual about it, from the thread's
 *    magazine. Everything that is common is compiled into this one function, once for each kind of profile (alloc_checked: full; alloc_traced:
 *    leaks; alloc_lean: production); what it needs of the process lies in one line (struct engine), and one comparison of the size says that
 *    nothing unusual is on (quick_below).
 * 2. The long way, for all else. It begins where the quick one gives up: with the stack that was taken, or from the start. */
#include "base/anchor.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/fault.h"
#include "check/guard.h"
#include "check/quarantine.h"
#include "check/watch.h"
#include "check/zones.h"
#include "engine/held.h"
#include "engine/publish.h"
#include "engine/state.h"
#include "heap/quick.h"
#include "trace/modules.h"

/* What was asked for, on the long way. */
struct request {
    size_t size, room, align;       /* room: with guards and spare room */
    enum record_allocator call;
    unsigned flags;                 /* ENGINE_ZERO … */
    const struct capture_start *from;
    uint32_t stack;
    bool apart;                     /* it will be held long once it is freed, and lies apart from what comes back soon */
    bool placed;                    /* it is of a sample and gets a stack when it is freed, which a slab's lean record has no room for */
};

/* ---- the places of a block -------------------------------------------------------------------------------------------- */

/* The block becomes the program's. witnesses: it may have some. */
ALWAYS_INLINE void *in_heap(struct thread_state *self, const struct heap_block *block, enum record_form form, bool witnesses, size_t size,
                            enum record_allocator call, bool zero, unsigned kept, uint32_t stack)
{
    char *address = block->start + form_front(form);
    struct record_block *record = block->tag;
    uint64_t head = new_head(self, form, size, call, kept);
    mark_busy(record, head);
    if (witnesses) {
        struct guard_block guarded = {address, size, block->room - guard_setting.front};
        zones_new(&guarded, !zero);
    }
    if (zero && !block->zeroed)
        memory_fill(address, 0, size);
    held_before(&address, &record);
    publish(self, record, form, head, size, stack);
    return address;
}

static void *from_heap(struct thread_state *self, const struct heap_block *block, const struct request *request)
{
    void *address = in_heap(self, block, form_of(block), engine.witnesses, request->size, request->call, request->flags & ENGINE_ZERO,
                            new_flags(self, request->stack), request->stack);
    if (!block->region->stride)
        blocks_note_slot(block);
    return address;
}

/* Watchpoints beside the block, unless libc or the loader allocated it for itself. */
static void watch_beside(char *address, const struct request *request, char *low, char *high, enum pageguard_watch watch)
{
    const struct record_module *caller = modules_at(modules_known(request->from->pc));
    if (caller && caller->flags & (RECORD_MODULE_LIBC | RECORD_MODULE_LOADER))
        return;
    struct watch_subject subject = {address, request->size, low, high};
    watch_place(&subject, watch == PAGEGUARD_WATCH_SUSPECT ? WATCH_WANTED : watch == PAGEGUARD_WATCH ? WATCH_NEWEST : WATCH_IF_FREE);
}

/* A block between page guards; NULL: none is to be had. */
static void *between_guards(struct thread_state *self, const struct request *request, struct pageguard_choice choice, struct pageguard_slot *taken)
{
    struct pageguard_slot slot;
    char *address;
    if (!pageguard_take(request->size, request->align, choice, &slot, &address))
        return NULL;
    *taken = slot;
    struct record_block *record = &slot.record->block;
    uint64_t head = new_head(self, FORM_LONG, request->size, request->call, new_flags(self, request->stack) | RECORD_FLAG_PAGE_GUARD);
    mark_busy(record, head);
    __atomic_store_n(&slot.record->address, (uintptr_t)address, __ATOMIC_RELEASE);
    if (!(request->flags & ENGINE_ZERO) && guard_setting.fill_alloc != GUARD_NO_FILL)
        memory_fill(address, (int)guard_setting.fill_alloc, request->size);
    else if (request->flags & ENGINE_ZERO)
        memory_fill(address, 0, request->size);
    held_before(&address, &record);
    publish(self, record, FORM_LONG, head, request->size, request->stack);
    return address;
}

static bool from_engines(struct heap *heap, const struct request *request, struct heap_block *block)
{
    return (request->placed ? heap_alloc_placed : request->apart ? heap_alloc_apart : heap_alloc)(heap, request->room, request->align, block);
}

/* No memory: what is held back in the quarantine is needed more than watched. */
static void *after_drain(struct thread_state *self, const struct request *request)
{
    struct heap_block block;
    if (self->depth != 1 || !quarantine_on() || !quarantine_drain(self))
        return NULL;
    return from_engines(engine.heap, request, &block) ? from_heap(self, &block, request) : NULL;
}

/* The last resort: there is no memory for one more record, but there may be for the program. */
static void *unrecorded(const struct request *request)
{
    struct heap_block block;
    if (!engine.unrecorded || !heap_alloc(engine.unrecorded, request->room, request->align, &block))
        return NULL;
    char *address = block.start + guard_setting.front;
    if (request->flags & ENGINE_ZERO && !block.zeroed)
        memory_fill(address, 0, request->size);
    if (__atomic_fetch_add(&midden_anchor.unrecorded_blocks, 1, __ATOMIC_RELAXED) == 0)
        print_line("no memory for more records: from here on blocks go unrecorded; the report says how many");
    __atomic_fetch_add(&midden_anchor.unrecorded_bytes, request->size, __ATOMIC_RELAXED);
    return address;
}

/* A block with a record, guards and all; NULL: there is no memory for one of them. */
static void *recorded(struct thread_state *self, struct heap *heap, const struct request *request, struct pageguard_choice choice)
{
    struct heap_block block;
    struct pageguard_slot slot;
    void *result = NULL;
    if (choice.side != PAGEGUARD_NONE && (result = between_guards(self, request, choice, &slot))) {
        if (choice.watch)
            watch_beside(result, request, slot.data, slot.data + slot.data_bytes, choice.watch);
    } else if (heap && from_engines(heap, request, &block)) {
        result = from_heap(self, &block, request);
        if (__builtin_expect(choice.watch, 0))
            watch_beside(result, request, block.start, block.start + block.room, choice.watch);
    }
    return __builtin_expect(result != NULL, 1) ? result : after_drain(self, request);
}

/* ---- when memory for records runs out ---------------------------------------------------------------------------------- */

/* Finding that out again costs system calls each time. So after each refusal twice as many allocations go without asking, up to MOST_PASSED; by
 * then the program may have freed something. Meanwhile none goes the quick way. */
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
    __atomic_store_n(&engine.quick_below, last ? 0 : engine.quick_limit, __ATOMIC_RELAXED);
}

/* ---- the long way ----------------------------------------------------------------------------------------------------------- */

static void *with_stack(struct thread_state *self, struct heap *heap, struct request *request)
{
    struct pageguard_choice choice = {PAGEGUARD_NONE, PAGEGUARD_UNWATCHED};
    watch_tick();
    request->stack = heap == engine.heap ? take_stack(self, request->size, request->from) : 0;
    if (request->stack)
        choice = pageguard_choose(self, request->stack, request->size, request->align);
    request->apart = quarantine_wants(self, request->stack);
    request->placed = engine.sampled && request->stack;
    return recorded(self, heap, request, choice);
}

/* asked: whether the heap was asked for memory with a record, and had none. */
static void *without_record(struct thread_state *self, struct heap *heap, struct request *request, bool asked)
{
    void *result = unrecorded(request);
    if (!result && !asked)
        return with_stack(self, heap, request);
    note_answer(result != NULL);
    return result;
}

static __attribute__((noinline)) void *alloc_slowly(size_t size, size_t align, enum record_allocator call, unsigned flags,
                                                    const struct capture_start *from)
{
    if (__builtin_expect(engine.stage < ENGINE_READY, 0))
        engine_start();
    struct thread_state *self = threads_self();
    bool first = engine_enter(self);
    struct heap *heap = __builtin_expect(first, 1) ? engine.heap : engine.reserve;
    struct request request = {.size = size, .align = align, .call = call, .flags = flags, .from = from};
    void *result = NULL;
    if (__builtin_expect(!room_for(size, &request.room), 0)) {
        if (first && !self->internal) {
            struct record_finding finding;
            fault_of_size(size, call, &finding);
            report_finding(self, &finding, from);
        }
    } else {
        if (flags & ENGINE_ROOMY && heap == engine.heap)
            request.room += size / 8;
        bool asked = worth_asking();
        if (__builtin_expect(asked, 1))
            result = with_stack(self, heap, &request);
        if (__builtin_expect(!result, 0))
            result = without_record(self, heap, &request, asked);
        else
            note_answer(false);
        if (midden_anchor.profile == PROFILE_PARANOID && first)
            report_sweep_now_and_then(self);
    }
    engine_leave(self);
    return result;
}

/* The rest of what began on the quick way: entered, the stack taken and the guard chosen. */
static __attribute__((noinline)) void *alloc_on(struct thread_state *self, size_t size, size_t align, enum record_allocator call,
                                                unsigned flags, const struct capture_start *from, uint32_t stack,
                                                struct pageguard_choice choice)
{
    struct request request = {size, size + guard_setting.apart, align, call, flags, from, stack, quarantine_wants(self, stack), false};
    void *result = recorded(self, engine.heap, &request, choice);
    if (__builtin_expect(!result, 0))
        result = without_record(self, engine.heap, &request, true);
    engine_leave(self);
    return result;
}

/* ---- the quick way ---------------------------------------------------------------------------------------------------------- */

/* Can this go the quick way at all? */
ALWAYS_INLINE bool is_ordinary(const struct thread_state *self, size_t size)
{
    return __builtin_expect(size < __atomic_load_n(&engine.quick_below, __ATOMIC_RELAXED) && self, 1)
        && __builtin_expect(!(self->depth | self->internal | self->ignore_depth), 1);
}

/* With a stack for every block, and nothing else. */
ALWAYS_INLINE void *alloc_traced(struct thread_state *self, size_t size, size_t align, enum record_allocator call, unsigned flags,
                                 const struct capture_start *from)
{
    struct heap_block block;
    engine_enter(self);
    uint32_t stack = capture_once(from);
    if (__builtin_expect(!self->magazines, 0)
        || !quick_alloc(engine.heap, self->magazines, 0, size + form_apart(FORM_LEAN), form_bytes(FORM_LEAN), &block))
        return alloc_on(self, size, align, call, flags, from, stack, (struct pageguard_choice){PAGEGUARD_NONE, PAGEGUARD_UNWATCHED});
    void *result = in_heap(self, &block, FORM_LEAN, false, size, call, flags & ENGINE_ZERO, 0, stack);
    engine_leave(self);
    return result;
}

/* With zones, guards and all. */
ALWAYS_INLINE void *alloc_checked(struct thread_state *self, size_t size, size_t align, enum record_allocator call, unsigned flags,
                                   const struct capture_start *from)
{
    struct pageguard_choice choice = {PAGEGUARD_NONE, PAGEGUARD_UNWATCHED};
    struct heap_block block;
    engine_enter(self);
    uint32_t stack = capture_once(from);
    if (engine.guards_pages) {
        watch_tick();
        if (stack)
            choice = pageguard_choose(self, stack, size, align);
        /* Of a site that was seen seldom every block is to be watched, which may be a quarter of all; mostly there is no time for it. */
        if (__builtin_expect(choice.watch, 0) && !choice.side && !watch_may(choice.watch == PAGEGUARD_WATCH_SUSPECT))
            choice.watch = PAGEGUARD_UNWATCHED;
    }
    if (__builtin_expect(choice.side | choice.watch, 0) || __builtin_expect(!self->magazines, 0)
        || !quick_alloc(engine.heap, self->magazines, quarantine_wants(self, stack) ? quick_set_apart(engine.heap) : 0, size + engine.apart,
                        form_bytes(FORM_LONG), &block))
        return alloc_on(self, size, align, call, flags, from, stack, choice);
    void *result = in_heap(self, &block, FORM_LONG, true, size, call, flags & ENGINE_ZERO, 0, stack);
    engine_leave(self);
    return result;
}

ALWAYS_INLINE void *alloc_captured(struct thread_state *self, size_t size, size_t align, enum record_allocator call, unsigned flags,
                                   const struct capture_start *from)
{
    return engine.lean ? alloc_traced(self, size, align, call, flags, from) : alloc_checked(self, size, align, call, flags, from);
}

static __attribute__((noinline)) void *fold_and_leave(struct thread_state *self, void *result)
{
    blocks_fold(self);
    engine_leave(self);
    return result;
}

/* The profile production, when no stack is due: no call in it (but for zeroing) except those that end it, so that the
 * compiler needs to save no register.
 * false: nothing has changed. */
ALWAYS_INLINE bool alloc_lean(struct thread_state *self, size_t size, enum record_allocator call, bool zero, void **address)
{
    struct heap_block block;
    engine_enter(self);
    int64_t left = self->sample_left - (int64_t)size - 1;
    if (__builtin_expect(left <= 0, 0) || __builtin_expect(self->sequence == self->sequence_end, 0) || __builtin_expect(!self->magazines, 0)
        || !quick_alloc(engine.heap, self->magazines, 0, size + form_apart(FORM_LEAN), form_bytes(FORM_LEAN), &block)) {
        engine_leave(self);
        return false;
    }
    struct record_block *record = block.tag;
    char *result = block.start + form_front(FORM_LEAN);
    uint64_t head = new_head(self, FORM_LEAN, size, call, 0);
    self->sample_left = left;
    mark_busy(record, head);
    if (zero && !block.zeroed)
        memory_fill(result, 0, size);
    held_before(&result, &record);
    write_birth(record, FORM_LEAN, 0, ++self->sequence, (uint16_t)self->index);
    __atomic_store_n(&record->head, head, __ATOMIC_RELEASE);
    if (blocks_add_alloc(self, size)) {
        *address = fold_and_leave(self, result);
        return true;
    }
    engine_leave(self);
    *address = result;
    return true;
}

void *engine_alloc(size_t size, size_t align, enum record_allocator call, unsigned flags, const struct capture_start *from)
{
    struct thread_state *self = thread_self_pointer;
    if (is_ordinary(self, size) && __builtin_expect(align <= ENGINE_QUICK_ALIGN && !(flags & ~ENGINE_ZERO), 1)) {
        if (!engine.sampled)
            return alloc_captured(self, size, align, call, flags, from);
        void *result;
        if (__builtin_expect(alloc_lean(self, size, call, flags & ENGINE_ZERO, &result), 1))
            return result;
    }
    return alloc_slowly(size, align, call, flags, from);
}

static __attribute__((noinline)) void *alloc_slowly_plain(size_t size, enum record_allocator call, const struct capture_frame *frame)
{
    struct capture_start from = capture_start_of(frame);
    return alloc_slowly(size, 0, call, 0, &from);
}

static __attribute__((noinline)) void *alloc_captured_plain(size_t size, enum record_allocator call, const struct capture_frame *frame)
{
    struct thread_state *self = thread_self_pointer;
    struct capture_start from = capture_start_of(frame);
    if (is_ordinary(self, size))
        return alloc_captured(self, size, 0, call, 0, &from);
    return alloc_slowly(size, 0, call, 0, &from);
}

void *engine_alloc_plain(size_t size, enum record_allocator call, const struct capture_frame *frame)
{
    if (!engine.sampled)
        return alloc_captured_plain(size, call, frame);
    struct thread_state *self = thread_self_pointer;
    void *result;
    if (is_ordinary(self, size) && __builtin_expect(alloc_lean(self, size, call, false, &result), 1))
        return result;
    return alloc_slowly_plain(size, call, frame);
}

/* ---- requests that cannot be met ---------------------------------------------------------------------------------------- */

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
