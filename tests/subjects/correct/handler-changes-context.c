/* A handler changes the registers that were interrupted: skips the instruction, sets a register; the vector registers come back
 * as they were. Interpreters and emulators work so. */
/* ORACLE: none */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>
#include "subject.h"

static void handler(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    double clobber[64];
    for (int i = 0; i < 64; i++)
        clobber[i] = i * 1.5 + (double)(uintptr_t)info->si_addr;
    KEEP_OBJECT(clobber);
#if defined(__x86_64__)
    interrupted->uc_mcontext.gregs[REG_RIP] += 2;
    interrupted->uc_mcontext.gregs[REG_RAX] = 4711;
#else
    interrupted->uc_mcontext.pc += 4;
    interrupted->uc_mcontext.regs[0] = 4711;
#endif
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    long result = 1;
    double kept = 2.25;
#if defined(__x86_64__)
    __asm__ volatile("movsd %1, %%xmm13\n\txor %%eax, %%eax\n\tmov (%%rax), %%eax\n\tmovsd %%xmm13, %1"
                     : "=&a"(result), "+m"(kept) : : "xmm13", "memory");
#else
    register long first __asm__("x0") = 0;
    __asm__ volatile("ldr x0, [x0]" : "+r"(first) : : "memory");
    result = first;
#endif
    printf("%ld %.2f\n", result, kept);
    return 0;
}
