/* Damage beside a block counts only for the block that it was seen at. While one thread compares the guards of a living block, another may free
 * it and allocate its like in the same slot: its record's head is then what it was. */
#include <string.h>

#include "base/anchor.h"
#include "check/fault.h"
#include "check/guard.h"
#include "engine/state.h"
#include "unit.h"

enum { FRONT = 16, SIZE = 48, ROOM = 96 };

static char room[ROOM] __attribute__((aligned(16)));
static struct record_block record;
static const struct guard_block guarded = {room + FRONT, SIZE, ROOM - FRONT};
static bool replaced;

void __real_fault_of_damage(const struct guard_block *block, const struct record_block *of, const struct guard_damage *damage, bool freed,
                            enum record_detected detected, struct record_finding *finding);
void __wrap_fault_of_damage(const struct guard_block *block, const struct record_block *of, const struct guard_damage *damage, bool freed,
                            enum record_detected detected, struct record_finding *finding);

/* Damage was seen, and is not told yet. */
void __wrap_fault_of_damage(const struct guard_block *block, const struct record_block *of, const struct guard_damage *damage, bool freed,
                            enum record_detected detected, struct record_finding *finding)
{
    __real_fault_of_damage(block, of, damage, freed, detected, finding);
    if (replaced) {
        guard_arm(&guarded, true);
        record.sequence++;
    }
}

static uint64_t marked_by(bool freed)
{
    static struct record_thread thread;
    struct thread_state self = {.record = &thread, .in_capture = true};
    struct heap_region region = {.base = room, .bytes = ROOM, .stride = ROOM, .slots = 1};
    struct place place = {.record = &record, .address = room + FRONT, .block = {.start = room, .room = ROOM, .tag = &record, .region = &region}};
    uint64_t head = record_head(SIZE, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE);
    record.head = head;
    if (freed)
        guard_retire(&guarded);
    report_damage(&self, &place, head, RECORD_AT_SWEEP, NULL);
    return record_head_flags(record.head) & RECORD_FLAG_DAMAGED;
}

int main(void)
{
    guard_setting = (struct guard_setting){.front = FRONT, .rear = 16, .apart = FRONT + 16, .fill_alloc = GUARD_FILL_ALLOC, .fill_free = GUARD_FILL_FREE};
    uint64_t lost = midden_anchor.lost_findings;
    guard_arm(&guarded, true);
    CHECK(!marked_by(false), "whole guards were told as damaged");
    replaced = true;
    CHECK(!marked_by(true), "the damage of a block before was told of the one that lives");
    CHECK(midden_anchor.lost_findings == lost, "a finding of it was published");
    replaced = false;
    room[FRONT + SIZE] = 1;
    CHECK(marked_by(false), "damage was not told");
    CHECK(midden_anchor.lost_findings == lost + 1, "no finding of it was published");
    return unit_result("engine_damage");
}
