/* Taking blocks back.
 *
 * look the block up → its record must be LIVE and the address its start, or it is a finding and nothing else happens → claim it
 * (LIVE becomes BUSY by compare-and-swap, so that of two threads exactly one frees and the other is a double free) → compare the
 * witnesses, the family and the sizes → write the witnesses of a freed block → hold it back, or give it to the heap. */
#include "base/anchor.h"
#include "check/fault.h"
#include "check/guard.h"
#include "check/quarantine.h"
#include "engine/state.h"
#include "trace/modules.h"

static void bad_free(struct thread_state *self, void *address, enum record_allocator call, const struct heap_block *slot,
                     const struct capture_start *from)
{
    struct record_finding finding;
    fault_of_free(address, call, slot, from ? from->sp : 0, &finding);
    report_finding(self, &finding, from);
}

/* What the call says about the block, against what the record says. */
static void compare_call(struct thread_state *self, const struct heap_block *block, const struct guard_block *guarded,
                         uint64_t head, enum record_allocator call, size_t size, size_t align,
                         const struct capture_start *from)
{
    struct record_finding finding;
    enum record_family gave = fault_family((enum record_allocator)record_head_allocator(head));
    if (gave != fault_family(call))
        fault_of_mismatch(guarded->address, block->tag, call, RECORD_UNKNOWN, RECORD_DETAIL_NONE, &finding);
    else if (size != ENGINE_NO_SIZE && size != guarded->size)
        fault_of_mismatch(guarded->address, block->tag, call, size, RECORD_DETAIL_SIZE, &finding);
    else if (align && (uintptr_t)guarded->address & (align - 1))
        fault_of_mismatch(guarded->address, block->tag, call, align, RECORD_DETAIL_ALIGNMENT, &finding);
    else
        return;
    finding.block.head = head;
    report_finding(self, &finding, from);
}

static void take_back(struct thread_state *self, void *address, enum record_allocator call, size_t size, size_t align,
                      const struct capture_start *from)
{
    struct heap_block block;
    struct heap *owner;
    if (!blocks_find(address, &block, &owner)) {
        bad_free(self, address, call, NULL, from);
        return;
    }
    struct record_block *record = block.tag;
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    struct guard_block guarded = blocks_guarded(&block, record_head_size(head));
    uint64_t busy = (head & ~(uint64_t)RECORD_STATE_MASK) | RECORD_BLOCK_BUSY;
    if (record_head_state(head) != RECORD_BLOCK_LIVE || guarded.address != (char *)address
        || !__atomic_compare_exchange_n(&record->head, &head, busy, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        bad_free(self, address, call, &block, from);
        return;
    }

    unsigned flags = record_head_flags(head);
    struct guard_damage damage;
    if (__builtin_expect(!guard_whole(&guarded, &damage), 0)) {
        struct record_finding finding;
        if (!(flags & RECORD_FLAG_DAMAGED)) {
            fault_of_damage(&guarded, record, &damage, false, RECORD_AT_FREE, &finding);
            finding.block.head = head;
            report_finding(self, &finding, from);
        }
        guard_mend(&guarded, false);
    }
    if (!(flags & RECORD_FLAG_OWN))
        compare_call(self, &block, &guarded, head, call, size, align, from);

    bool held = owner == engine.heap && quarantine_on();
    guard_retire(&guarded);
    record->free_stack = engine.stacks && from && !self->internal ? capture(from) : 0;
    record->free_thread = (uint16_t)self->index;
    unsigned state = held ? RECORD_BLOCK_QUARANTINED : RECORD_BLOCK_FREE;
    flags &= ~(unsigned)RECORD_FLAG_DAMAGED;
    __atomic_store_n(&record->head, record_head(guarded.size, record_head_allocator(head), flags, state), __ATOMIC_RELEASE);
    if (!(flags & RECORD_FLAG_OWN))
        blocks_count_free(self, guarded.size);
    if (!held)
        heap_free(owner, &block);
    else if (!quarantine_put(&self->quarantine, guarded.address, block.room))
        quarantine_release(&block, RECORD_AT_EVICTION);
}

void engine_free(void *address, enum record_allocator call, size_t size, size_t align, const struct capture_start *from)
{
    if (!address)
        return;
    if (__builtin_expect(engine.stage < ENGINE_READY, 0))
        engine_start();
    struct thread_state *self = threads_self();
    if (__builtin_expect(!engine_enter(self), 0)) {
        deferred_put(self, address, call);
        engine_leave(self);
        return;
    }
    /* The loader frees when it unloads a library: what is remembered of code addresses may be stale. */
    if (from && __builtin_expect(modules_is_loader(from->pc), 0))
        modules_suspect();
    take_back(self, address, call, size, align, from);
    if (deferred_any(self)) {
        enum record_allocator put_off;
        void *block;
        while ((block = deferred_take(self, &put_off)))
            take_back(self, block, put_off, ENGINE_NO_SIZE, 0, NULL);
    }
    engine_leave(self);
}
