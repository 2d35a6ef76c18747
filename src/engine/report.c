/* From a fault to a finding that is told at once; and the sweep over all witnesses. */
#include "base/anchor.h"
#include "base/table.h"
#include "check/fault.h"
#include "check/finding.h"
#include "engine/state.h"
#include "snapshot/agent.h"

void report_finding(struct thread_state *self, struct record_finding *finding, const struct capture_start *from)
{
    finding->thread = (uint16_t)self->index;
    if (!finding->stack && from && !self->in_capture)
        finding->stack = capture(from);
    uint32_t index = finding_publish(finding);
    if (index)
        agent_tell_finding(index);
}

/* Compares one block that a record says is living or held back. guarded: its slot between page guards; NULL: in a heap. */
static void sweep_block(struct thread_state *self, struct record_block *record, char *address, size_t room_end,
                        const struct pageguard_slot *guarded, enum record_detected detected)
{
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    unsigned state = record_head_state(head);
    bool freed = state == RECORD_BLOCK_QUARANTINED;
    if ((!freed && state != RECORD_BLOCK_LIVE)
        || record_head_flags(head) & (RECORD_FLAG_DAMAGED | RECORD_FLAG_INACCESSIBLE))
        return;
    struct guard_block block = {address, record_head_size(head), room_end};
    struct guard_damage damage;
    if (block.size > room_end
        || (guarded ? pageguard_whole(guarded, &damage) : freed ? guard_untouched(&block, &damage) : guard_whole(&block, &damage)))
        return;
    if (__atomic_load_n(&record->head, __ATOMIC_ACQUIRE) != head)
        return;     /* a running thread changed it meanwhile */
    struct record_finding finding;
    fault_of_damage(&block, record, &damage, freed, detected, &finding);
    finding.block.head = head;
    uint64_t marked = head | (uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT;
    if (__atomic_compare_exchange_n(&record->head, &head, marked, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        report_finding(self, &finding, NULL);
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
            for (uint32_t s = 0; s < slots; s++)
                if (records[s].head)
                    sweep_block(self, &records[s],
                                (char *)(uintptr_t)(region->base + (uint64_t)s * region->stride + region->user_offset),
                                region->stride - region->user_offset, NULL, detected);
        } else {
            struct record_placed *records = (struct record_placed *)(uintptr_t)region->records;
            for (uint32_t s = 0; s < slots; s++) {
                struct place place;
                if (!records[s].address || !records[s].block.head
                    || !blocks_find((void *)(uintptr_t)records[s].address, &place) || place.record != &records[s].block)
                    continue;
                sweep_block(self, &records[s].block, place.address, blocks_guarded(&place, 0).room_end,
                            place.guarded ? &place.slot : NULL, detected);
            }
        }
    }
}
