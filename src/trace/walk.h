/* One step of an unwind by rules: from a frame to its caller. */
#ifndef MIDDEN_TRACE_WALK_H
#define MIDDEN_TRACE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/rules.h"
#include "trace/stack.h"
#include "trace/threads.h"

struct walk {
    uintptr_t pc, sp, fp;       /* of the frame reached */
    bool exact;                 /* pc is of an interrupted instruction */
    struct thread_state *self;
    uint32_t epoch;             /* of the modules */
    uintptr_t cfa_word;         /* walk_realigned: the word that the CFA was read from, 0: it was computed; */
    uintptr_t fp_word;          /* and the word that fp was read from, 0: fp is the same */
};

enum step {
    STEP_CALLER,        /* the walk stands in the caller */
    STEP_END,           /* that was the outermost frame */
    STEP_LOST,          /* there may be a caller, but it cannot be found */
    STEP_FULL       /* takes all registers (unwind.h); the walk has not moved */
};

/* How far below the stack pointer a saved register may lie: in an epilogue, what was popped is still described as saved. */
#define WALK_RED_ZONE 128

static inline uintptr_t walk_load(uintptr_t address) { return *(const volatile uintptr_t *)address; }

/* true: the eight bytes before `pc`, which can be read, end with a call instruction. */
bool walk_follows_call(uintptr_t pc);

/* The ways of one step that are not the ordinary one. */
enum step walk_rare(struct walk *walk, unwind_rule rule);

/* The one of them that needs nothing but the stack: frames that were realigned. */
static inline bool walk_is_realigned(unwind_rule rule)
{
    return rule_kind(rule) == RULE_FRAME_DEREF || (rule_kind(rule) == RULE_FRAME && rule_fp(rule) == RULE_FP_AT_FP);
}

#if defined(__x86_64__)
static inline enum step walk_step(struct walk *walk)
{
    unwind_rule rule = rules_of(walk->pc, walk->exact, walk->epoch);
    if (__builtin_expect(rule_kind(rule) != RULE_FRAME || rule_fp(rule) == RULE_FP_AT_FP, 0))
        return walk_rare(walk, rule);
    uintptr_t cfa = (rule_base(rule) == RULE_BASE_FP ? walk->fp : walk->sp) + (uintptr_t)rule_offset(rule);
    /* The slot of the frame pointer, or any word that is read anyway. */
    uintptr_t slot = cfa + (uintptr_t)(rule_fp(rule) == RULE_FP_AT_CFA ? rule_slot(rule) : -8);
    if (__builtin_expect(cfa <= walk->sp || slot < walk->sp - WALK_RED_ZONE
                         || !stack_word(walk->self, cfa - 8) || !stack_word(walk->self, slot), 0))
        return STEP_LOST;
    uintptr_t saved = walk_load(slot);
    walk->fp = rule_fp(rule) == RULE_FP_AT_CFA ? saved : walk->fp;
    walk->pc = walk_load(cfa - 8);
    walk->sp = cfa;
    walk->exact = false;
    return walk->pc ? STEP_CALLER : STEP_END;
}
#elif defined(__aarch64__)
/* x29 points at the caller's x29 and x30. Code without frame pointers is passed over by this, as by every such walk. */
static inline enum step walk_step(struct walk *walk)
{
    uintptr_t record = walk->fp;
    if (record < walk->sp || (record & 15) || !stack_word(walk->self, record) || !stack_word(walk->self, record + 8))
        return record ? STEP_LOST : STEP_END;
    walk->fp = walk_load(record);
    walk->pc = walk_load(record + 8) & ((1ull << 48) - 1);      /* without a signature */
    walk->sp = record + 16;
    walk->exact = false;
    return walk->pc ? STEP_CALLER : STEP_END;
}
#endif

#endif
