/* Call frame information: for one pc, where the caller's registers are to be had. */
#ifndef MIDDEN_TRACE_CFI_H
#define MIDDEN_TRACE_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/ehframe.h"

#if defined(__x86_64__)
enum { CFI_FP = 6, CFI_SP = 7, CFI_RA = 16, CFI_COLUMNS = 17 };     /* rbp, rsp, the return address */
/* Where the kernel's ucontext keeps the interrupted registers, from the stack pointer of the signal trampoline. */
enum { CFI_SIGNAL_FP = 120, CFI_SIGNAL_SP = 160, CFI_SIGNAL_PC = 168 };
#elif defined(__aarch64__)
enum { CFI_FP = 29, CFI_SP = 31, CFI_RA = 30, CFI_COLUMNS = 32 };
#endif

enum cfi_how {
    CFI_SAME,               /* the register holds it still */
    CFI_UNDEFINED,          /* it is lost; of the return address: there is no caller */
    CFI_OFFSET,             /* in memory at CFA + offset; of the CFA itself: it is reg + offset */
    CFI_VALUE,              /* it is CFA + offset */
    CFI_REGISTER,           /* in register `reg` */
    CFI_EXPRESSION,         /* in memory at what the expression gives; of the CFA itself: it is that */
    CFI_VALUE_EXPRESSION    /* it is what the expression gives */
};

struct cfi_place {
    uint8_t how;                    /* enum cfi_how */
    uint8_t reg;                    /* 255: one that we do not keep */
    uint32_t bytes;                 /* of the expression */
    union {
        int64_t offset;
        const uint8_t *expression;
    };
};

/* The row of one pc. */
struct cfi_row {
    struct cfi_place cfa;
    struct cfi_place columns[CFI_COLUMNS];
    bool signal;                    /* of the trampoline of signal handlers: the caller was interrupted, it did not call */
};

/* The row for the instruction at `pc` (for a return address, the caller passes the address before it, for the call may be the
 * last instruction of its function). Reads nothing outside the tables' segment. */
enum ehframe_found cfi_find(uintptr_t pc, const struct module_tables *tables, struct cfi_row *row);

#endif
