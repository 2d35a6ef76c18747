/* Unwind rules out of .eh_frame: how to get from a frame to its caller, for one pc. */
#ifndef MIDDEN_TRACE_CFI_H
#define MIDDEN_TRACE_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/modules.h"

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
    RULE_UNWINDER,      /* needs more than sp, fp and pc */
    RULE_NO_TABLE       /* the pc has no unwind information */
};
enum rule_base { RULE_BASE_SP, RULE_BASE_FP };
enum rule_fp { RULE_FP_SAME, RULE_FP_AT_CFA /* saved at CFA + slot */, RULE_FP_AT_FP /* saved at fp + slot */ };

typedef uint64_t cfi_rule;

static inline cfi_rule rule_make(enum rule_kind kind, enum rule_base base, enum rule_fp fp, int32_t slot, int32_t offset)
{
    return (uint64_t)kind | (uint64_t)base << 4 | (uint64_t)fp << 5 | (uint64_t)((uint32_t)slot & 0xffffffu) << 8
         | (uint64_t)(uint32_t)offset << 32;
}
static inline enum rule_kind rule_kind(cfi_rule rule) { return (enum rule_kind)(rule & 15); }
static inline enum rule_base rule_base(cfi_rule rule) { return (enum rule_base)(rule >> 4 & 1); }
static inline enum rule_fp rule_fp(cfi_rule rule) { return (enum rule_fp)(rule >> 5 & 3); }
static inline intptr_t rule_slot(cfi_rule rule) { return (int32_t)(uint32_t)rule >> 8; }
static inline intptr_t rule_offset(cfi_rule rule) { return (intptr_t)(int64_t)rule >> 32; }

#if defined(__x86_64__)
/* Where the kernel's ucontext keeps the interrupted registers, from the stack pointer of the trampoline (RULE_SIGNAL). */
enum { CFI_SIGNAL_FP = 120, CFI_SIGNAL_SP = 160, CFI_SIGNAL_PC = 168 };
#endif

/* The rule for the instruction at `pc` (for a return address, the caller passes the address before it, for the call may be the
 * last instruction of its function). Reads nothing outside the tables' segment. */
cfi_rule cfi_find(uintptr_t pc, const struct module_tables *tables);

#endif
