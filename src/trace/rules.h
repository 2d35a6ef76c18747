/* The cache pc → unwind rule. */
#ifndef MIDDEN_TRACE_RULES_H
#define MIDDEN_TRACE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/cfi.h"

/* Two words, each stored by itself and tied together: check = key ^ rule * RULES_TIE. A pair torn by two writers does not
 * match. A line of memory holds four entries; a key may lie in either of two neighbours. */
struct rules_entry {
    uint64_t check, rule;   /* atomic */
};

#define RULES_BITS 15
#define RULES_TIE 0x9e3779b97f4a7c15ull

extern struct rules_entry rules_cache[1u << RULES_BITS];

/* Finds the rule in the tables and enters it in the cache. */
cfi_rule rules_fill(uintptr_t pc, bool exact, uint64_t key);

/* epoch: modules_epoch(), so that what was learnt of a module that has gone is void. */
static inline uint64_t rules_key(uintptr_t pc, bool exact, uint32_t epoch)
{
    return (uint64_t)pc ^ (uint64_t)(epoch & 0x7fff) << 48 ^ (uint64_t)exact << 63;
}

/* The rule for a frame whose pc is a return address or, if exact, an interrupted instruction. */
static inline cfi_rule rules_of(uintptr_t pc, bool exact, uint32_t epoch)
{
    uint64_t key = rules_key(pc, exact, epoch);
    struct rules_entry *entry = &rules_cache[(pc ^ pc >> 13) & ((1u << RULES_BITS) - 1)];
    cfi_rule rule = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
    if (__builtin_expect(__atomic_load_n(&entry->check, __ATOMIC_RELAXED) == (key ^ rule * RULES_TIE), 1))
        return rule;
    entry = (struct rules_entry *)((uintptr_t)entry ^ sizeof *entry);
    rule = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
    if (__atomic_load_n(&entry->check, __ATOMIC_RELAXED) == (key ^ rule * RULES_TIE))
        return rule;
    return rules_fill(pc, exact, key);
}

#endif
