/* The table of findings.
 *
 * Publishing: under a lock (findings are rare), a look through the entries there are for the same mistake; then reserve, fill in,
 * publish. The look is linear in the distinct findings, which are limited (max-findings), and compares three words each.
 *
 * Two threads that make the same mistake at once: the lock orders them, the second one is counted. */
#include "check/finding.h"

#include <stddef.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/table.h"
#include "trace/depot.h"

static struct lock finding_lock = LOCK_INIT(LOCK_RANK_FINDINGS);
static uint64_t most_findings;

static const uint8_t severities[RECORD_KINDS] = {
#define K(id, name, severity, text) [RECORD_KIND_##id] = RECORD_SEVERITY_##severity,
#include "format/kinds.def"
#undef K
};

enum record_severity finding_severity(enum record_kind kind)
{
    return (enum record_severity)severities[kind];
}

bool finding_init(uint64_t most)
{
    most_findings = most;
    return table_init(anchor_table(RECORD_TABLE_FINDINGS), sizeof(struct record_finding), 6, most + 1);
}

struct record_finding *finding_at(uint32_t index)
{
    return table_at(anchor_table(RECORD_TABLE_FINDINGS), index);
}

uint32_t finding_count(void)
{
    uint64_t count = __atomic_load_n(&anchor_table(RECORD_TABLE_FINDINGS)->count, __ATOMIC_ACQUIRE);
    return count ? (uint32_t)count - 1 : 0;
}

static bool same_mistake(const struct record_finding *a, const struct record_finding *b)
{
    if (a->kind != b->kind || a->call != b->call || a->call_name != b->call_name || !depot_same(a->stack, b->stack)
        || !depot_same(a->block.alloc_stack, b->block.alloc_stack))
        return false;
    /* Damage is found where the block is freed, swept or evicted, not where it is done: the place says nothing, so blocks of one
     * site that are damaged in the same way count as one mistake, and those damaged on another side do not. */
    if (a->access == RECORD_ACCESS_WRITE && a->detected != RECORD_AT_ACCESS && (a->offset < 0) != (b->offset < 0))
        return false;
    return a->block.alloc_stack || a->stack || a->block_address == b->block_address;
}

uint32_t finding_publish(const struct record_finding *finding)
{
    struct record_table *table = anchor_table(RECORD_TABLE_FINDINGS);
    uint32_t result = 0;
    lock_take(&finding_lock);
    uint32_t n = finding_count();
    for (uint32_t i = 1; i <= n; i++) {
        struct record_finding *known = finding_at(i);
        if (known && same_mistake(known, finding)) {
            __atomic_fetch_add(&known->count, 1, __ATOMIC_RELAXED);
            goto done;
        }
    }
    uint64_t index = n < most_findings ? table_reserve(table, 1) : 0;
    struct record_finding *entry = index ? table_known(table, index) : NULL;
    if (!entry) {
        __atomic_fetch_add(&midden_anchor.lost_findings, 1, __ATOMIC_RELAXED);
        goto done;
    }
    memory_copy(entry, finding, sizeof *entry);
    entry->count = 1;
    entry->time = kernel.now();
    __atomic_store_n(&entry->state, 2, __ATOMIC_RELEASE);
    table_publish(table, index, 1);
    result = (uint32_t)index;
done:
    lock_drop(&finding_lock);
    return result;
}

/* A published finding about this block; NULL: the entry is of something else. */
static const struct record_finding *about(uint32_t index, uint64_t block, uint32_t sequence)
{
    const struct record_finding *known = finding_at(index);
    return known && __atomic_load_n(&known->state, __ATOMIC_ACQUIRE) == 2 && known->block_address == block
        && known->block.sequence == sequence ? known : NULL;
}

bool finding_tells_place(uint64_t block, uint32_t sequence, uintptr_t pc)
{
    uint32_t n = finding_count();
    for (uint32_t i = 1; i <= n; i++) {
        const struct record_finding *known = about(i, block, sequence);
        uintptr_t frame;
        if (known && known->detected == RECORD_AT_ACCESS && depot_frames(known->stack, &frame, 1) && frame == pc)
            return true;
    }
    return false;
}

bool finding_tells(uint64_t block, uint32_t sequence, bool before, bool damage)
{
    uint32_t n = finding_count();
    bool any = false;
    for (uint32_t i = 1; i <= n; i++) {
        const struct record_finding *known = about(i, block, sequence);
        if (!known || (known->kind != RECORD_KIND_HEAP_BUFFER_OVERFLOW && known->kind != RECORD_KIND_HEAP_BUFFER_UNDERFLOW))
            continue;
        any = true;
        if (damage && known->access == RECORD_ACCESS_READ)
            continue;
        /* A checked call that began in front may have gone on to behind. */
        bool both = known->offset < 0 && known->call_size != RECORD_UNKNOWN;
        if (both || (known->offset < 0) == before)
            return true;
    }
    return !any;
}

void finding_fork_child(void)
{
    struct record_table *table = anchor_table(RECORD_TABLE_FINDINGS);
    lock_reset(&finding_lock);
    for (uint32_t i = 1; i <= finding_count(); i++) {
        struct record_finding *entry = finding_at(i);
        if (entry)
            memory_fill(entry, 0, sizeof *entry);
    }
    if (table->count)
        __atomic_store_n(&table->count, 1, __ATOMIC_RELEASE);
    midden_anchor.lost_findings = 0;
}
