/* From a fault to a finding that is told at once; and the sweep over all witnesses. */
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/table.h"
#include "check/fault.h"
#include "check/finding.h"
#include "check/sites.h"
#include "engine/snapshot.h"
#include "engine/state.h"
#include "snapshot/agent.h"
#include "snapshot/park.h"
#include "trace/modules.h"

#define HALT_STATUS 1           /* where nobody else gives the status */
#define SWEEP_EVERY 20000u      /* allocations of a thread between two sweeps, and one more for each living block */

/* --halt-on-error: the first error is the last. The report is made as for any other end; what the program has in its buffers stays
 * there, for its memory is not to be trusted. */
static void halt(void)
{
    int status = engine_end(RECORD_END_IMMEDIATE, HALT_STATUS, NULL);
    for (;;)
        kernel_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void tell_finding(struct thread_state *self, uint32_t index, const struct record_finding *finding, const struct capture_start *from)
{
    agent_tell_finding(index);
    if (finding->severity == RECORD_SEVERITY_ERROR)
        dump_on_error(self, finding->kind, from);
    if (finding->severity == RECORD_SEVERITY_ERROR && config_yes(OPTION_HALT_ON_ERROR))
        halt();
}

void report_finding(struct thread_state *self, struct record_finding *finding, const struct capture_start *from)
{
    finding->thread = (uint16_t)self->index;
    if (!finding->stack && from && !self->in_capture)
        finding->stack = capture(from);
    /* A handler that crashed, ended the program or made a mistake meanwhile would wait for its own thread. */
    uint64_t mask = park_signals_off();
    uint32_t index = finding_publish(finding);
    if (index && finding->severity != RECORD_SEVERITY_NOTE)     /* a note waits for the report at the end */
        tell_finding(self, index, finding, from);
    kernel_signals_back(mask);
}

bool report_is_news(const struct record_block *record, const char *block, uint64_t head, bool before)
{
    return !(record_head_flags(head) & RECORD_FLAG_DAMAGED) || !finding_tells((uintptr_t)block, record_sequence(record), before, true);
}

bool report_is_new_place(const struct record_block *record, const char *block, uint64_t head, bool before, uintptr_t pc)
{
    if (!(record_head_flags(head) & RECORD_FLAG_DAMAGED))
        return true;
    const struct record_module *module = modules_at(modules_of(pc));
    if (!module || !(module->flags & (RECORD_MODULE_LIBC | RECORD_MODULE_LOADER)))
        return !finding_tells_place((uintptr_t)block, record_sequence(record), pc);
    return record_head_state(head) == RECORD_BLOCK_LIVE && !finding_tells((uintptr_t)block, record_sequence(record), before, false);
}

bool report_is_one_run(const struct guard_block *block, const struct guard_damage *behind, const struct guard_damage *before)
{
    return behind->first == block->address + block->size && before->first + before->extent == block->address && before->extent >= 8;
}

/* Which block a record stands for. The other threads run on meanwhile: what was compared counts only if the record stood for the
 * same block before and after. The head alone does not tell, for the slot may have been given to a block of the same
 * size, at another address, and that one freed as well; the sequence number does. */
struct version {
    uint64_t head;
    uint32_t sequence;
};

static struct version version_of(const struct record_block *record)
{
    struct version now;
    now.head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    now.sequence = __atomic_load_n(&record->sequence, __ATOMIC_ACQUIRE);
    return now;
}

/* Behind what was compared. */
static bool is_still(const struct record_block *record, const struct version *before)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    struct version now = version_of(record);
    return now.head == before->head && now.sequence == before->sequence;
}

void report_damage(struct thread_state *self, const struct place *place, uint64_t head, enum record_detected detected,
                   const struct capture_start *from)
{
    struct guard_damage damage;
    struct version before = version_of(place->record);
    size_t size = record_head_size(head);
    if (before.head != head || blocks_whole(place, size, &damage))
        return;
    struct guard_block guarded = blocks_guarded(place, size);
    struct record_finding finding;
    fault_of_damage(&guarded, place->record, &damage, false, detected, &finding);
    finding.block.head = record_head_told(head);
    if (!is_still(place->record, &before))
        return;
    uint64_t marked = head | (uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT;
    if (!__atomic_compare_exchange_n(&place->record->head, &head, marked, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    site_suspect(place->record->alloc_stack);
    report_finding(self, &finding, from);
}

/* Compares one block that a record says is living or held back. before: the record's version when address and room were looked
 * up. guarded: its slot between page guards; NULL: in a heap. */
static void sweep_block(struct thread_state *self, struct record_block *record, const struct version *before, char *address,
                        size_t room_end, const struct pageguard_slot *guarded, enum record_detected detected)
{
    uint64_t head = before->head;
    unsigned state = record_head_state(head);
    bool freed = state == RECORD_BLOCK_QUARANTINED;
    if (freed && midden_anchor.fork_sequence && record->sequence <= midden_anchor.fork_sequence)
        return;     /* freed before this process was forked: its parent's to tell */
    unsigned flags = record_head_flags(head);
    if ((!freed && state != RECORD_BLOCK_LIVE) || flags & RECORD_FLAG_INACCESSIBLE || (freed && flags & RECORD_FLAG_DAMAGED))
        return;
    struct guard_block block = {address, record_head_size(head), room_end};
    struct guard_damage damage, before_it;
    if (block.size > room_end
        || (guarded ? pageguard_whole(guarded, &damage) : freed ? guard_untouched(&block, &damage) : guard_whole(&block, &damage)))
        return;
    bool behind = damage.first >= address + block.size;
    bool both = !freed && behind
             && !(guarded ? pageguard_whole_before(guarded, &before_it) : guard_whole_before(&block, &before_it))
             && !report_is_one_run(&block, &damage, &before_it);
    if (!is_still(record, before))
        return;
    bool tell = freed || report_is_news(record, address, head, !behind);
    bool tell_before = both && report_is_news(record, address, head, true);
    if (!tell && !tell_before)
        return;
    struct record_finding finding, second;
    fault_of_damage(&block, record, &damage, freed, detected, &finding);
    finding.block.head = record_head_told(head);
    if (tell_before) {
        fault_of_damage(&block, record, &before_it, false, detected, &second);
        second.block.head = record_head_told(head);
    }
    uint64_t marked = head | (uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT;
    if (!__atomic_compare_exchange_n(&record->head, &head, marked, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        return;
    if (tell)
        report_finding(self, &finding, NULL);
    if (tell_before)
        report_finding(self, &second, NULL);
}

/* paranoid: every living block is looked at once in a while, so often that it costs about as much as the allocations between. */
void report_sweep_now_and_then(struct thread_state *self)
{
    static uint64_t next = SWEEP_EVERY;
    if (self->record->allocations < __atomic_load_n(&next, __ATOMIC_RELAXED))
        return;
    uint64_t living = __atomic_load_n(&midden_anchor.live_blocks, __ATOMIC_RELAXED);
    __atomic_store_n(&next, self->record->allocations + SWEEP_EVERY + ((int64_t)living > 0 ? living : 0), __ATOMIC_RELAXED);
    report_sweep(RECORD_AT_SWEEP);
}

void report_sweep(enum record_detected detected)
{
    if (!guard_setting.rear)
        return;
    struct thread_state *self = threads_self();
    const struct record_table *regions = anchor_table(RECORD_TABLE_REGIONS);
    uint64_t n = __atomic_load_n(&regions->count, __ATOMIC_ACQUIRE);
    for (uint64_t i = 1; i < n; i++) {
        const struct record_region *region = table_at(regions, i);
        if (!region || __atomic_load_n(&region->state, __ATOMIC_ACQUIRE) != RECORD_REGION_OPEN)
            continue;
        uint32_t slots = __atomic_load_n(&region->slots, __ATOMIC_ACQUIRE);
        if (region->stride) {
            struct record_block *records = (struct record_block *)(uintptr_t)region->records;
            for (uint32_t s = 0; s < slots; s++) {
                struct version before = version_of(&records[s]);
                if (before.head)
                    sweep_block(self, &records[s], &before,
                                (char *)(uintptr_t)(region->base + (uint64_t)s * region->stride + region->user_offset),
                                region->stride - region->user_offset, NULL, detected);
            }
        } else {
            struct record_placed *records = (struct record_placed *)(uintptr_t)region->records;
            for (uint32_t s = 0; s < slots; s++) {
                struct place place;
                struct version before = version_of(&records[s].block);
                if (!records[s].address || !before.head
                    || !blocks_find((void *)(uintptr_t)records[s].address, &place) || place.record != &records[s].block)
                    continue;
                sweep_block(self, &records[s].block, &before, place.address, blocks_guarded(&place, 0).room_end,
                            place.guarded ? &place.slot : NULL, detected);
            }
        }
    }
}
