/* Findings: the records of what went wrong (struct record_finding), each distinct one once. */
#ifndef MIDDEN_CHECK_FINDING_H
#define MIDDEN_CHECK_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "format/record.h"

bool finding_init(uint64_t most);       /* most: distinct findings kept */

/* Publishes a copy of *finding (its state, count and time are filled in) and returns its index. The same mistake again (same kind,
 * call, place, allocation and freeing stack) is counted in the first one's entry, as is one beyond the limit in
 * anchor.lost_findings: then 0 is returned and nothing need be said. */
uint32_t finding_publish(const struct record_finding *finding);

/* true: nothing more is to be said of damage before (or else behind) this block, which is living and marked DAMAGED. Either a finding
 * about it tells of that side, or none is about it at all: then its mistake was counted in another block's entry, as what is
 * found on its other side would be. damage: the bytes there were changed, which no read explains. No lock; any context. */
bool finding_tells(uint64_t block, uint32_t sequence, bool before, bool damage);

/* true: a finding tells of an access by the instruction at pc that was outside this block, or after it was freed. No lock; any
 * context. */
bool finding_tells_place(uint64_t block, uint32_t sequence, uintptr_t pc);

/* Number of the findings published in this process. */
uint32_t finding_count(void);
struct record_finding *finding_at(uint32_t index);

/* In a fork child: what the parent found is the parent's to tell. */
void finding_fork_child(void);

/* Severity of a kind as format/kinds.def has it. */
enum record_severity finding_severity(enum record_kind kind);

#endif
