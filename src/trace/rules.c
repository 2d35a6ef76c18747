/* Filling the cache of unwind rules.
 *
 * One pc costs a look-up of its module, a binary search and the run of a small program (about half a microsecond); from then on
 * two loads. A pc without tables is not remembered: code made at run time comes and goes without the loader's knowledge.
 *
 * The cache is shared by all threads and written without a lock; whoever loses a race has written a rule that is right as
 * well. */
#include "trace/rules.h"

#include "trace/modules.h"

struct rules_entry rules_cache[1u << RULES_BITS] __attribute__((aligned(64)));

static void store(struct rules_entry *entry, uint64_t check, cfi_rule rule)
{
    __atomic_store_n(&entry->rule, rule, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->check, check, __ATOMIC_RELAXED);
}

__attribute__((noinline)) cfi_rule rules_fill(uintptr_t pc, bool exact, uint64_t key)
{
    struct module_tables tables;
    uintptr_t wanted = exact ? pc : pc - 1;
    unsigned module = modules_of(wanted);
    if (!module || !modules_tables(module, &tables))
        return RULE_NO_TABLE;
    cfi_rule rule = cfi_find(wanted, &tables);
    if (rule_kind(rule) == RULE_NO_TABLE)
        return rule;
    /* The newer of two that share a place comes first; the older one moves to the neighbour. */
    struct rules_entry *entry = &rules_cache[(pc ^ pc >> 13) & ((1u << RULES_BITS) - 1)];
    struct rules_entry *neighbour = (struct rules_entry *)((uintptr_t)entry ^ sizeof *entry);
    store(neighbour, __atomic_load_n(&entry->check, __ATOMIC_RELAXED), __atomic_load_n(&entry->rule, __ATOMIC_RELAXED));
    store(entry, key ^ rule * RULES_TIE, rule);
    return rule;
}
