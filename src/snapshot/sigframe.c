/* Signal frames of x86-64 and aarch64 Linux (kernel headers: asm/sigcontext.h, asm/ucontext.h). */
#include "snapshot/sigframe.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"

#if defined(__x86_64__)
#define SA_HAS_RESTORER 0x04000000ul
void sigframe_restorer(void);
__asm__(".pushsection .text\n"
        ".hidden sigframe_restorer\n"
        ".globl sigframe_restorer\n"
        ".type sigframe_restorer, @function\n"
        "    nop\n"             /* unwinders look at the byte before a return address */
        "sigframe_restorer:\n"
        "    mov $15, %rax\n"   /* SYS_rt_sigreturn; this encoding is what unwinders recognise a signal frame by */
        "    syscall\n"
        ".size sigframe_restorer, .-sigframe_restorer\n"
        ".popsection\n");
#else
#define SA_HAS_RESTORER 0ul
#define sigframe_restorer NULL
#endif

extern int __sigaction(int, const struct sigaction *, struct sigaction *) __attribute__((weak));

/* libc's restorer carries the unwind information of a signal frame, so that stacks and exceptions go through our frames as they do
 * through libc's: it is found by letting libc install something and asking the kernel what it was. */
void (*sigframe_restorer_of(int signal))(void)
{
    static void (*restorer)(void);
    if (!restorer) {
        struct kernel_sigaction seen = {0};
        struct sigaction any = {.sa_handler = SIG_DFL, .sa_flags = SA_NODEFER};
        if (__sigaction && __sigaction(signal, &any, NULL) == 0)
            kernel_call(SYS_rt_sigaction, signal, 0, (long)(uintptr_t)&seen, KERNEL_SIGSET_BYTES, 0, 0);
        restorer = seen.restorer ? seen.restorer : sigframe_restorer;
    }
    return restorer;
}

long sigframe_install(int signal, void (*handler)(int, siginfo_t *, void *), unsigned long flags, unsigned long mask)
{
    struct kernel_sigaction action = {
        .handler = handler,
        .flags = flags | SA_SIGINFO | SA_HAS_RESTORER,
        .restorer = sigframe_restorer_of(signal),
        .mask = mask,
    };
    return kernel_call(SYS_rt_sigaction, signal, (long)(uintptr_t)&action, 0, KERNEL_SIGSET_BYTES, 0, 0);
}

enum record_access sigframe_access(const ucontext_t *context)
{
#if defined(__x86_64__)
    /* The page fault's error code: bit 1 write, bit 4 instruction fetch. */
    uint64_t error = (uint64_t)context->uc_mcontext.gregs[REG_ERR];
    if (context->uc_mcontext.gregs[REG_TRAPNO] != 14)
        return RECORD_ACCESS_UNKNOWN;
    return error & 16 ? RECORD_ACCESS_CALL : error & 2 ? RECORD_ACCESS_WRITE : RECORD_ACCESS_READ;
#else
    /* The ESR record among the extensions: magic, size, esr; bit 6 of a data abort's syndrome is "write". */
    const unsigned char *at = context->uc_mcontext.__reserved;
    const unsigned char *end = at + sizeof context->uc_mcontext.__reserved;
    while (at + 16 <= end) {
        uint32_t magic, bytes;
        uint64_t esr;
        memory_copy(&magic, at, 4);
        memory_copy(&bytes, at + 4, 4);
        if (!magic || bytes < 8)
            break;
        if (magic == 0x45535201u) {
            memory_copy(&esr, at + 8, 8);
            unsigned class = (unsigned)(esr >> 26) & 63;
            if (class == 0x20 || class == 0x21)
                return RECORD_ACCESS_CALL;
            return esr & 64 ? RECORD_ACCESS_WRITE : RECORD_ACCESS_READ;
        }
        at += bytes;
    }
    return RECORD_ACCESS_UNKNOWN;
#endif
}

#define TRAP_FLAG 0x100

bool sigframe_steps(const ucontext_t *context)
{
#if defined(__x86_64__)
    return context->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG;
#else
    (void)context;
    return false;
#endif
}

bool sigframe_step(ucontext_t *context, bool on)
{
#if defined(__x86_64__)
    greg_t flags = context->uc_mcontext.gregs[REG_EFL];
    context->uc_mcontext.gregs[REG_EFL] = on ? flags | TRAP_FLAG : flags & ~(greg_t)TRAP_FLAG;
    return true;
#else
    (void)context;
    (void)on;
    return false;
#endif
}

unsigned sigframe_registers(const ucontext_t *context, uint64_t *registers)
{
    unsigned n = 0;
#if defined(__x86_64__)
    for (; n < NGREG && n < RECORD_REGISTERS; n++)
        registers[n] = (uint64_t)context->uc_mcontext.gregs[n];
#else
    for (; n < 31; n++)
        registers[n] = context->uc_mcontext.regs[n];
    registers[n++] = context->uc_mcontext.sp;
    registers[n++] = context->uc_mcontext.pc;
#endif
    return n;
}

enum sigframe_place sigframe_place(const ucontext_t *context)
{
    uintptr_t pc = sigframe_pc(context);
#if defined(__x86_64__)
    long result = context->uc_mcontext.gregs[REG_RAX];
    const unsigned char *before = (const unsigned char *)pc - 2;
    /* On the page before, which may not be readable: taken for one. */
    bool call = (pc & (kernel_page_size() - 1)) < 2 ? result == -EINTR : before[0] == 0x0f && before[1] == 0x05;    /* syscall */
#else
    long result = (long)context->uc_mcontext.regs[0];
    bool call = (pc & (kernel_page_size() - 1)) < 4 ? result == -EINTR : *(const uint32_t *)(pc - 4) == 0xd4000001u;  /* svc #0 */
#endif
    return !call ? SIGFRAME_ELSEWHERE : result == -EINTR ? SIGFRAME_ENDED_CALL : result > 0 ? SIGFRAME_AFTER_CALL : SIGFRAME_ELSEWHERE;
}

uintptr_t sigframe_vectors(const ucontext_t *context)
{
#if defined(__x86_64__)
    uintptr_t vectors = (uintptr_t)context->uc_mcontext.fpregs;
    return vectors ? vectors : (uintptr_t)(context + 1);
#else
    return (uintptr_t)context->uc_mcontext.__reserved;
#endif
}

uintptr_t sigframe_end(const ucontext_t *context)
{
    uintptr_t end = (uintptr_t)(context + 1);
#if defined(__x86_64__)
    /* How far the vector registers reach is in the bytes reserved for software of the legacy area (struct _fpx_sw_bytes at
     * offset 464: magic, then the extended size). */
    const unsigned char *vectors = (const unsigned char *)context->uc_mcontext.fpregs;
    if (vectors) {
        uint32_t magic, bytes = 512;
        memory_copy(&magic, vectors + 464, sizeof magic);
        if (magic == 0x46505853u)
            memory_copy(&bytes, vectors + 468, sizeof bytes);
        if (bytes < (1u << 16))
            end = (uintptr_t)vectors + bytes;
    }
#endif
    return end;
}
