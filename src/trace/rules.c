/* Rules out of rows, and their cache.
 *
 * A row of call frame information that can be followed with the stack pointer, the frame pointer and the pc alone becomes one
 * word (enum rule_kind). Its expressions are evaluated with sp and fp as unknowns and the pc known, which makes those of PLT
 * entries plain offsets and those of realigned functions one load. What fits no form is RULE_FULL: unwind.c follows such rows
 * with all registers.
 *
 * One pc costs a look-up of its module, a binary search and the run of a small program (about half a microsecond); from then on
 * two loads. A pc in no module is not remembered: code made at run time comes and goes without the loader's knowledge.
 *
 * The cache is shared by all threads and written without a lock; whoever loses a race has written a rule that is right as
 * well. */
#include "trace/rules.h"

#include "base/kernel.h"
#include "base/memory.h"
#include "trace/cfi.h"
#include "trace/modules.h"

struct rules_entry rules_cache[1u << RULES_BITS] __attribute__((aligned(64)));
uint32_t rules_mask = (1u << RULES_BITS_FIRST) - 1;

/* ---- expressions ------------------------------------------------------------------------------------------------------------- */

/* A value with sp and fp as unknowns: constant, or register + constant, or the word in memory at such a place. */
struct value {
    enum { VALUE_CONSTANT, VALUE_SP, VALUE_FP } base;
    bool loaded;
    int64_t offset;
};

#define OPERANDS 8

/* Evaluates an expression. false: it needs more than that. */
static bool evaluate(const struct cfi_place *place, uintptr_t pc, struct value *result)
{
    (void)pc;       /* not a register everywhere */
    struct reader r = {place->expression, place->expression + place->bytes, false};
    struct value stack[OPERANDS];
    unsigned n = 0;
    while (r.at < r.end && !r.bad) {
        uint8_t op = reader_byte(&r);
        struct value value = {VALUE_CONSTANT, false, 0};
        if (op >= 0x30 && op <= 0x4f) {                     /* lit0 … lit31 */
            value.offset = op - 0x30;
        } else if (op >= 0x70 && op <= 0x8f) {              /* breg0 … breg31 */
            value.offset = reader_sleb(&r);
            if (op - 0x70 == CFI_SP)
                value.base = VALUE_SP;
            else if (op - 0x70 == CFI_FP)
                value.base = VALUE_FP;
#if defined(__x86_64__)
            else if (op - 0x70 == CFI_RA)
                value.offset += (int64_t)pc;
#endif
            else
                return false;
        } else if (op == 0x08 || op == 0x0a || op == 0x0c || op == 0x0e) {  /* const1u, 2u, 4u, 8u */
            value.offset = (int64_t)reader_fixed(&r, 1u << (op - 8) / 2);
        } else if (op == 0x09) {                            /* const1s */
            value.offset = (int8_t)reader_byte(&r);
        } else if (op == 0x06) {                            /* deref */
            if (n == 0 || stack[n - 1].loaded || stack[n - 1].base == VALUE_CONSTANT)
                return false;
            stack[n - 1].loaded = true;
            continue;
        } else if (op == 0x23) {                            /* plus_uconst */
            if (n == 0 || stack[n - 1].loaded)
                return false;
            stack[n - 1].offset += (int64_t)reader_uleb(&r);
            continue;
        } else if (op == 0x22 || op == 0x1a || op == 0x2a || op == 0x24) {  /* plus, and, ge, shl */
            if (n < 2 || stack[n - 1].base != VALUE_CONSTANT || stack[n - 1].loaded || stack[n - 2].loaded)
                return false;
            int64_t right = stack[--n].offset, *left = &stack[n - 1].offset;
            if (op == 0x22) {
                *left += right;
                continue;
            }
            if (stack[n - 1].base != VALUE_CONSTANT)
                return false;
            *left = op == 0x1a ? (*left & right) : op == 0x2a ? *left >= right : (int64_t)((uint64_t)*left << (right & 63));
            continue;
        } else {
            return false;
        }
        if (n == OPERANDS)
            return false;
        stack[n++] = value;
    }
    if (n != 1 || r.bad)
        return false;
    *result = stack[0];
    return true;
}

/* ---- from row to rule ---------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static bool is_word_above_sp(const struct cfi_place *place, uintptr_t pc, int64_t offset)
{
    struct value value;
    return place->how == CFI_EXPRESSION && evaluate(place, pc, &value)
        && value.base == VALUE_SP && !value.loaded && value.offset == offset;
}

/* The trampoline that returns from a signal handler: the stack pointer stands at the ucontext that the kernel wrote. */
static unwind_rule signal_rule(const struct cfi_row *row, uintptr_t pc)
{
    struct value cfa;
    if (row->cfa.how == CFI_EXPRESSION && evaluate(&row->cfa, pc, &cfa)
        && cfa.base == VALUE_SP && cfa.loaded && cfa.offset == CFI_SIGNAL_SP
        && is_word_above_sp(&row->columns[CFI_RA], pc, CFI_SIGNAL_PC)
        && is_word_above_sp(&row->columns[CFI_FP], pc, CFI_SIGNAL_FP))
        return RULE_SIGNAL;
    return RULE_FULL;
}
#else
static unwind_rule signal_rule(const struct cfi_row *row, uintptr_t pc)
{
    (void)row, (void)pc;
    return RULE_FULL;
}
#endif

static unwind_rule rule_of_row(const struct cfi_row *row, uintptr_t pc)
{
    const struct cfi_place *fp = &row->columns[CFI_FP], *ra = &row->columns[CFI_RA];
    if (ra->how == CFI_UNDEFINED)
        return RULE_END;
    if (row->signal)
        return signal_rule(row, pc);
    if (ra->how != CFI_OFFSET || ra->offset != -8 || row->columns[CFI_SP].how != CFI_SAME)
        return RULE_FULL;

    enum rule_kind kind = RULE_FRAME;
    struct value cfa = {row->cfa.reg == CFI_FP ? VALUE_FP : VALUE_SP, false, row->cfa.offset};
    if (row->cfa.how == CFI_EXPRESSION) {
        if (!evaluate(&row->cfa, pc, &cfa) || cfa.base == VALUE_CONSTANT)
            return RULE_FULL;
        if (cfa.loaded)
            kind = RULE_FRAME_DEREF;
    } else if (row->cfa.how != CFI_OFFSET || (row->cfa.reg != CFI_FP && row->cfa.reg != CFI_SP)) {
        return RULE_FULL;
    }

    enum rule_fp from = RULE_FP_SAME;
    int64_t slot = 0;
    if (fp->how == CFI_OFFSET) {
        from = RULE_FP_AT_CFA;
        slot = fp->offset;
    } else if (fp->how == CFI_EXPRESSION) {
        struct value value;
        if (!evaluate(fp, pc, &value) || value.base != VALUE_FP || value.loaded)
            return RULE_FULL;
        from = RULE_FP_AT_FP;
        slot = value.offset;
    } else if (fp->how != CFI_SAME && fp->how != CFI_UNDEFINED) {
        return RULE_FULL;
    }
    if (cfa.offset < INT32_MIN || cfa.offset > INT32_MAX || slot < -(1 << 23) || slot >= 1 << 23)
        return RULE_FULL;
    return rule_make(kind, cfa.base == VALUE_FP ? RULE_BASE_FP : RULE_BASE_SP, from, (int32_t)slot, (int32_t)cfa.offset);
}

bool rules_is_trampoline(uintptr_t pc)
{
#if defined(__x86_64__)
    static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};    /* mov $15, %rax; syscall */
    return kernel_readable((const void *)pc, sizeof code) && memory_compare((const void *)pc, code, sizeof code) == 0;
#else
    (void)pc;
    return false;
#endif
}

/* ---- the cache ---------------------------------------------------------------------------------------------------------------- */

void rules_renew(uint32_t epoch)
{
    static uint32_t lap;        /* atomic */
    if (__atomic_exchange_n(&lap, epoch >> RULES_EPOCH_BITS, __ATOMIC_RELAXED) != epoch >> RULES_EPOCH_BITS)
        for (unsigned i = 0; i < 1u << RULES_BITS; i++)
            if (__atomic_load_n(&rules_cache[i].check, __ATOMIC_RELAXED))   /* a page that was never used stays so */
                __atomic_store_n(&rules_cache[i].check, 0, __ATOMIC_RELAXED);
}

static void store(struct rules_entry *entry, uint64_t check, unwind_rule rule)
{
    __atomic_store_n(&entry->rule, rule, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->check, check, __ATOMIC_RELAXED);
}

static unwind_rule make_rule(uintptr_t pc, bool exact, unsigned module)
{
    struct module_tables tables;
    struct cfi_row row;
    uintptr_t wanted = exact ? pc : pc - 1;
    switch (modules_tables(module, &tables) ? cfi_find(wanted, &tables, &row) : EHFRAME_NONE) {
    case EHFRAME_FOUND:
        return rule_of_row(&row, wanted);
    case EHFRAME_NOT_UNDERSTOOD:
        return RULE_FULL;       /* which will not understand it either, and end the stack there */
    case EHFRAME_NONE:
        break;
    }
    /* Where makecontext's function returns to is the first instruction of a function that nobody calls. */
    if (!exact && modules_tables(module, &tables) && cfi_find(pc, &tables, &row) == EHFRAME_FOUND
        && row.columns[CFI_RA].how == CFI_UNDEFINED)
        return RULE_END;
    return rules_is_trampoline(pc) ? RULE_SIGNAL : RULE_NO_TABLE;
}

/* An entry is about to be lost. One of the same epoch as `key` may be wanted again: of a quarter as many as there are in use, the part that
 * is used grows. Counted without a lock: a few more or less make no difference. */
static void note_loss(const struct rules_entry *lost, uint64_t key)
{
    static uint32_t losses;     /* atomic */
    unwind_rule rule = __atomic_load_n(&lost->rule, __ATOMIC_RELAXED);
    uint64_t held = __atomic_load_n(&lost->check, __ATOMIC_RELAXED) ^ rule * RULES_TIE;
    uint32_t mask = __atomic_load_n(&rules_mask, __ATOMIC_RELAXED);
    if (!rule || (held ^ key) << 1 >> 49 || mask == (1u << RULES_BITS) - 1)
        return;
    if (__atomic_add_fetch(&losses, 1, __ATOMIC_RELAXED) > mask / 4) {
        __atomic_store_n(&losses, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&rules_mask, mask * 4 + 3, __ATOMIC_RELAXED);
    }
}

__attribute__((noinline)) unwind_rule rules_fill(uintptr_t pc, bool exact, uint64_t key)
{
    unsigned module = modules_of(exact ? pc : pc - 1);
    unwind_rule rule = make_rule(pc, exact, module);
    if (!module)
        return rule;
    /* The newer of two that share a place comes first; the older one moves to the neighbour. */
    struct rules_entry *entry = rules_entry_of(pc);
    struct rules_entry *neighbour = (struct rules_entry *)((uintptr_t)entry ^ sizeof *entry);
    note_loss(neighbour, key);
    store(neighbour, __atomic_load_n(&entry->check, __ATOMIC_RELAXED), __atomic_load_n(&entry->rule, __ATOMIC_RELAXED));
    store(entry, key ^ rule * RULES_TIE, rule);
    return rule;
}
