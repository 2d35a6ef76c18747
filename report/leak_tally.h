/* Leak records being summed up, by kind and stack. */
#ifndef MIDDEN_REPORT_LEAK_TALLY_H
#define MIDDEN_REPORT_LEAK_TALLY_H

#include "leaks.h"

/* Zero is the state to begin with. */
struct tally {
    struct leak_record *list;   /* [n], one for each key */
    size_t n, room;
    uint32_t *slots;            /* hash table: number of the record + 1, 0: empty */
    size_t mask;
};

/* The record of this key; a new one counts no blocks. Valid until the next call. */
struct leak_record *tally_record(struct tally *tally, enum leak_kind kind, bool stack_only, uint32_t stack);

/* Adds what `from` has to `into`. */
void tally_join(struct tally *into, const struct tally *from);

static inline void total_join(struct leak_total *total, struct leak_total more)
{
    total->bytes += more.bytes;
    total->blocks += more.blocks;
}

/* Merges records whose stacks read the same, under whatever number, and sorts: largest loss first. After this only list and n are
 * of use. */
void tally_finish(struct tally *tally, struct records *records);

/* All but the list goes: that is the caller's, who may have taken it. */
void tally_free_index(struct tally *tally);

#endif
