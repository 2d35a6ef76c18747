/* What a signal frame tells: registers, and for a fault whether it was a read or a write. Per architecture, in one place. */
#ifndef MIDDEN_SNAPSHOT_SIGFRAME_H
#define MIDDEN_SNAPSHOT_SIGFRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <ucontext.h>

#include "format/record.h"

/* The kernel's own struct sigaction, which is not libc's. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};
#define KERNEL_SIGSET_BYTES 8

/* Sets the kernel's action for a signal: `handler` with every signal in `mask` blocked; flags beside SA_SIGINFO. Returns 0 or a
 * negated errno. */
long sigframe_install(int signal, void (*handler)(int, siginfo_t *, void *), unsigned long flags, unsigned long mask);

static inline uintptr_t sigframe_pc(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return (uintptr_t)context->uc_mcontext.pc;
#endif
}
static inline uintptr_t sigframe_sp(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#else
    return (uintptr_t)context->uc_mcontext.sp;
#endif
}
static inline uintptr_t sigframe_fp(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
#else
    return (uintptr_t)context->uc_mcontext.regs[29];
#endif
}

/* How a page fault touched its address: RECORD_ACCESS_READ, WRITE, CALL for an instruction fetch, or UNKNOWN. */
enum record_access sigframe_access(const ucontext_t *context);

/* General registers into registers[RECORD_REGISTERS]; returns how many. The first SIGFRAME_GENERAL of them, the stack pointer and the
 * pc included, can hold a pointer of the program's; what follows on x86-64 is the kernel's, the address of the last page fault
 * for one. */
#if defined(__x86_64__)
#define SIGFRAME_GENERAL (REG_RIP + 1u)
#else
#define SIGFRAME_GENERAL 33u
#endif
unsigned sigframe_registers(const ucontext_t *context, uint64_t *registers);

/* Where a signal came: at the return from a system call that it ended with EINTR; at another return from one, that did something and
 * may have done more; or elsewhere, which is also the case when the kernel starts the call again. */
enum sigframe_place { SIGFRAME_ELSEWHERE, SIGFRAME_ENDED_CALL, SIGFRAME_AFTER_CALL };
enum sigframe_place sigframe_place(const ucontext_t *context);

/* The trap flag among the registers: whether the processor stops with SIGTRAP behind each instruction. sigframe_step() sets or clears
 * it; false: this architecture has none that a program can set. */
bool sigframe_steps(const ucontext_t *context);
bool sigframe_step(ucontext_t *context, bool on);

/* End of the frame's saved state, vector registers included, and where those start. */
uintptr_t sigframe_end(const ucontext_t *context);
uintptr_t sigframe_vectors(const ucontext_t *context);

/* The restorer that our own actions have. */
void (*sigframe_restorer_of(int signal))(void);

/* Arranges that the return from our handler, which got `context` on an alternate stack, enters `handler` on the stack that was
 * interrupted, with a frame of its own there, as the kernel would have without an alternate stack. mask: blocked meanwhile.
 * Returns false where this cannot be done: the caller then calls the handler itself. */
bool sigframe_move(ucontext_t *context, const siginfo_t *info, int number, uintptr_t handler, unsigned long mask);

/* true: the interrupted stack has room for the frame. Where it has none the kernel would have ended the program. */
bool sigframe_has_room(const ucontext_t *context);

/* Calls work(argument) on the stack that ends at `top`. */
void sigframe_call_on(char *top, void (*work)(void *), void *argument);

#endif
