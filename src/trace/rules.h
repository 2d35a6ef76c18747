/* Unwind rules: a row of call frame information as one word, and the cache pc → rule. */
#ifndef MIDDEN_TRACE_RULES_H
#define MIDDEN_TRACE_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* A rule in one word, so that it can be stored and read whole:
 *
 *     63              32 31            8 7   6 5       4    3    0
 *    ┌──────────────────┬───────────────┬─────┬─────────┬────┬──────┐
 *    │ CFA offset (int) │ fp slot (int) │     │ fp from │base│ kind │
 *    └──────────────────┴───────────────┴─────┴─────────┴────┴──────┘
 *
 * CFA = base register + offset; the return address is at CFA - 8; the caller's sp is the CFA. */
enum rule_kind {
    RULE_EMPTY,         /* no rule: a free slot of the cache */
    RULE_FRAME,         /* as above */
    RULE_FRAME_DEREF,   /* CFA = the word at base + offset (a function that realigns its stack) */
    RULE_SIGNAL,        /* the kernel's signal trampoline: sp points at the ucontext */
    RULE_END,           /* the outermost frame: its return address is undefined */
    RULE_FULL,          /* needs more than sp, fp and pc */
    RULE_NO_TABLE       /* the pc has no unwind information */
};
enum rule_base { RULE_BASE_SP, RULE_BASE_FP };
enum rule_fp { RULE_FP_SAME, RULE_FP_AT_CFA /* saved at CFA + slot */, RULE_FP_AT_FP /* saved at fp + slot */ };

typedef uint64_t unwind_rule;

static inline unwind_rule rule_make(enum rule_kind kind, enum rule_base base, enum rule_fp fp, int32_t slot, int32_t offset)
{
    return (uint64_t)kind | (uint64_t)base << 4 | (uint64_t)fp << 5 | (uint64_t)((uint32_t)slot & 0xffffffu) << 8
         | (uint64_t)(uint32_t)offset << 32;
}
static inline enum rule_kind rule_kind(unwind_rule rule) { return (enum rule_kind)(rule & 15); }
static inline enum rule_base rule_base(unwind_rule rule) { return (enum rule_base)(rule >> 4 & 1); }
static inline enum rule_fp rule_fp(unwind_rule rule) { return (enum rule_fp)(rule >> 5 & 3); }
static inline intptr_t rule_slot(unwind_rule rule) { return (int32_t)(uint32_t)rule >> 8; }
static inline intptr_t rule_offset(unwind_rule rule) { return (intptr_t)((int64_t)rule >> 32); }

/* true: `pc` stands at the two instructions by which a signal handler returns to the kernel. Some such trampolines come
 * without tables (of other libcs, of language runtimes, our own). */
bool rules_is_trampoline(uintptr_t pc);

/* ---- the cache ---------------------------------------------------------------------------------------------------------------- */

/* A small program meets few pcs: it begins with a small part of the table, and when rules in use come to push out each other the part
 * becomes four times as large. What lies where it no longer belongs is found in the tables once more.
 *
 * Two words, each stored by itself and tied together: check = key ^ rule * RULES_TIE. A pair torn by two writers does not
 * match. A line of memory holds four entries; a key may lie in either of two neighbours. */
struct rules_entry {
    uint64_t check, rule;   /* atomic */
};

#define RULES_BITS 15           /* of the whole table */
#define RULES_BITS_FIRST 11     /* of the part that is used at first */
#define RULES_TIE 0x9e3779b97f4a7c15ull

extern struct rules_entry rules_cache[1u << RULES_BITS];
extern uint32_t rules_mask;     /* entries in use, less one; only grows; atomic */

/* To be called before rules are asked for in a new epoch: empties the cache when the low bits of the epoch start again. */
void rules_renew(uint32_t epoch);

/* Finds the rule in the tables and enters it in the cache. */
unwind_rule rules_fill(uintptr_t pc, bool exact, uint64_t key);

/* epoch: modules_epoch(), so that what was learnt of a module that has gone is void. Only its low bits fit. */
#define RULES_EPOCH_BITS 15
static inline uint64_t rules_key(uintptr_t pc, bool exact, uint32_t epoch)
{
    return (uint64_t)pc ^ (uint64_t)(epoch & ((1u << RULES_EPOCH_BITS) - 1)) << 48 ^ (uint64_t)exact << 63;
}

static inline struct rules_entry *rules_entry_of(uintptr_t pc)
{
    return &rules_cache[(uint32_t)(pc >> 2 ^ pc >> 15) & __atomic_load_n(&rules_mask, __ATOMIC_RELAXED)];
}

/* The rule for a frame whose pc is a return address or, if exact, an interrupted instruction. */
static inline unwind_rule rules_of(uintptr_t pc, bool exact, uint32_t epoch)
{
    uint64_t key = rules_key(pc, exact, epoch);
    struct rules_entry *entry = rules_entry_of(pc);
    unwind_rule rule = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
    if (__builtin_expect(__atomic_load_n(&entry->check, __ATOMIC_RELAXED) == (key ^ rule * RULES_TIE), 1))
        return rule;
    entry = (struct rules_entry *)((uintptr_t)entry ^ sizeof *entry);
    rule = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
    if (__atomic_load_n(&entry->check, __ATOMIC_RELAXED) == (key ^ rule * RULES_TIE))
        return rule;
    return rules_fill(pc, exact, key);
}

#endif
