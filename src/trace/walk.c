/* The rarer steps of an unwind: realigned frames, signal trampolines, code without tables. */
#include "trace/walk.h"

#include "base/kernel.h"
#include "trace/cfi.h"
#include "trace/modules.h"

#if defined(__x86_64__)

#define FRAME_BYTES_MAX ((uintptr_t)1 << 20)    /* of code without tables */

/* CFA = the word at base + offset, or a frame pointer that was saved relative to itself. */
static enum step step_realigned(struct walk *walk, unwind_rule rule)
{
    uintptr_t base = rule_base(rule) == RULE_BASE_FP ? walk->fp : walk->sp;
    uintptr_t cfa = base + (uintptr_t)rule_offset(rule);
    if (rule_kind(rule) == RULE_FRAME_DEREF) {
        if (cfa < walk->sp || !stack_word(walk->self, cfa))
            return STEP_LOST;
        walk->cfa_word = cfa;
        cfa = walk_load(cfa);
    } else {
        walk->cfa_word = 0;
    }
    uintptr_t slot = cfa - 8;
    if (rule_fp(rule) != RULE_FP_SAME)
        slot = (rule_fp(rule) == RULE_FP_AT_CFA ? cfa : walk->fp) + (uintptr_t)rule_slot(rule);
    if (cfa <= walk->sp || !stack_word(walk->self, cfa - 8))
        return STEP_LOST;
    if (slot < walk->sp - WALK_RED_ZONE || !stack_word(walk->self, slot))
        return STEP_FULL;           /* which tells a frame pointer that is not known from one that is */
    walk->fp_word = rule_fp(rule) != RULE_FP_SAME ? slot : 0;
    if (walk->fp_word)
        walk->fp = walk_load(slot);
    walk->pc = walk_load(cfa - 8);
    walk->sp = cfa;
    walk->exact = false;
    return walk->pc ? STEP_CALLER : STEP_END;
}

/* What was interrupted may have run on another stack: this is the one step that may lead anywhere. */
static enum step step_signal(struct walk *walk)
{
    uintptr_t context = walk->sp;
    if (!stack_word(walk->self, context + CFI_SIGNAL_FP) || !stack_word(walk->self, context + CFI_SIGNAL_PC))
        return STEP_LOST;
    uintptr_t sp = walk_load(context + CFI_SIGNAL_SP);
    if (!stack_word(walk->self, sp & ~(uintptr_t)7))
        return STEP_LOST;
    walk->fp = walk_load(context + CFI_SIGNAL_FP);
    walk->pc = walk_load(context + CFI_SIGNAL_PC);
    walk->sp = sp;
    walk->exact = true;
    return walk->pc ? STEP_CALLER : STEP_END;
}

/* true: the bytes before `pc`, which lies in a module's text, are a call instruction. */
bool walk_follows_call(uintptr_t pc)
{
    const uint8_t *code = (const uint8_t *)pc;
    if (code[-5] == 0xe8)                                       /* call rel32 */
        return true;
    for (int bytes = 2; bytes <= 7; bytes++)                    /* call r/m: ff /2, with what its form adds */
        if (code[-bytes] == 0xff && (code[-bytes + 1] >> 3 & 7) == 2) {
            uint8_t mode = code[-bytes + 1] >> 6, base = code[-bytes + 1] & 7;
            int expected = 2;
            if (mode != 3 && base == 4)
                expected++;
            if (mode == 1)
                expected++;
            if (mode == 2 || (mode == 0 && base == 5) || (mode == 0 && base == 4 && (code[-bytes + 2] & 7) == 5))
                expected += 4;
            if (expected == bytes)
                return true;
        }
    return false;
}

/* Code that is in no module, made at run time. If it keeps frame pointers, the caller is found by them; that is believed only on the
 * same stack, and when the return address lies in a known module's code with tables and follows a call there. Code of a
 * module that has no tables is assembly, whose frame pointer may be anything: the stack ends there. */
static enum step step_unknown(struct walk *walk)
{
    uintptr_t record = walk->fp;
    if (modules_of(walk->pc - 1) || record < walk->sp || record - walk->sp > FRAME_BYTES_MAX
        || !stack_word(walk->self, record) || !stack_word(walk->self, record + 8)
        || stack_is_own(walk->self, record) != stack_is_own(walk->self, walk->sp))
        return STEP_LOST;
    if (!kernel_readable((const void *)(walk->pc - 1), 1))
        return STEP_LOST;           /* no code at all: something went wrong on the way here */
    uintptr_t pc = walk_load(record + 8);
    if (!pc || !modules_of(pc - 8) || !modules_of(pc - 1)
        || rule_kind(rules_of(pc, false, walk->epoch)) == RULE_NO_TABLE || !walk_follows_call(pc))
        return STEP_LOST;
    walk->fp = walk_load(record);
    walk->pc = pc;
    walk->sp = record + 16;
    walk->exact = false;
    return STEP_CALLER;
}

__attribute__((noinline)) enum step walk_rare(struct walk *walk, unwind_rule rule)
{
    switch (rule_kind(rule)) {
    case RULE_FRAME:
    case RULE_FRAME_DEREF:
        return step_realigned(walk, rule);
    case RULE_SIGNAL:
        return step_signal(walk);
    case RULE_END:
        return STEP_END;
    case RULE_FULL:
        return STEP_FULL;
    case RULE_EMPTY:
    case RULE_NO_TABLE:
        break;
    }
    return step_unknown(walk);
}

#else

bool walk_follows_call(uintptr_t pc)
{
    uint32_t code = ((const uint32_t *)pc)[-1];
    return (code & 0xfc000000u) == 0x94000000u      /* bl */
        || (code & 0xfffffc1fu) == 0xd63f0000u;     /* blr */
}

enum step walk_rare(struct walk *walk, unwind_rule rule)
{
    (void)walk, (void)rule;
    return STEP_LOST;
}

#endif
