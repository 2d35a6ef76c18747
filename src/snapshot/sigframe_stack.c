/* Which stack a handler runs on.
 *
 * Our handler runs on the thread's alternate stack, since the thread's own may be used up. The program's handler is to run where it
 * would without us: sigframe_move() copies the frame to the interrupted stack, as the kernel lays it out,
 *
 *      interrupted sp ─▶ ├───────────────┤
 *                        │ red zone, 128 │
 *                        │ vector state  │  64-byte aligned; the copied context points to it
 *                        │ siginfo       │
 *                        │ ucontext      │
 *             new sp ─▶  │ restorer      │  the return address of the program's handler
 *                        └───────────────┘
 *
 * and then changes the frame on the alternate stack so that returning from it enters the program's handler. When that one
 * returns, its restorer gives the copy to the kernel, which goes on where the signal came. Nothing is left on the alternate stack.
 *
 * Limits: x86-64; elsewhere the handler is called from ours. */
#include "snapshot/sigframe.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"

/* The kernel copies a signal set from an address before it finds that it is told to do nothing with it; the main stack grows under
 * that as it does under an access of the program. */
static bool touchable(uintptr_t address)
{
    return kernel_call(SYS_rt_sigprocmask, ~0l, (long)(address & ~(uintptr_t)7), 0, KERNEL_SIGSET_BYTES, 0, 0) == -EINVAL;
}

bool sigframe_has_room(const ucontext_t *context)
{
    uintptr_t page = kernel_page_size(), top = sigframe_sp(context) - 8;
    uintptr_t low = top - (sigframe_end(context) - (uintptr_t)context) - page;
    for (uintptr_t at = top; at > low; at -= page)
        if (!touchable(at))
            return false;
    return touchable(low);
}

#if defined(__x86_64__)

#define RED_ZONE 128u
#define KERNEL_CONTEXT_BYTES (offsetof(ucontext_t, uc_sigmask) + KERNEL_SIGSET_BYTES)
#define DIRECTION_AND_TRAP 0x500    /* flags that a handler starts without */

struct moved_frame {
    void (*restorer)(void);
    unsigned char context[KERNEL_CONTEXT_BYTES];
    siginfo_t info;
};

bool sigframe_move(ucontext_t *context, const siginfo_t *info, int number, uintptr_t handler, unsigned long mask)
{
    uintptr_t at = sigframe_sp(context) - RED_ZONE;
    char *vectors = (char *)context->uc_mcontext.fpregs, *copied = NULL;
    if (vectors) {
        size_t bytes = sigframe_end(context) - (uintptr_t)vectors;
        at = (at - bytes) & ~(uintptr_t)63;
        copied = (char *)at;
        memory_copy(copied, vectors, bytes);
    }
    at = ((at - sizeof(struct moved_frame)) & ~(uintptr_t)15) - 8;
    struct moved_frame *frame = (struct moved_frame *)at;
    frame->restorer = sigframe_restorer_of(number);
    memory_copy(frame->context, context, KERNEL_CONTEXT_BYTES);
    memory_copy(frame->context + offsetof(ucontext_t, uc_mcontext.fpregs), &copied, sizeof copied);
    memory_copy(&frame->info, info, sizeof *info);

    greg_t *registers = context->uc_mcontext.gregs;
    registers[REG_RIP] = (greg_t)handler;
    registers[REG_RSP] = (greg_t)at;
    registers[REG_RDI] = number;
    registers[REG_RSI] = (greg_t)(uintptr_t)&frame->info;
    registers[REG_RDX] = (greg_t)(uintptr_t)frame->context;
    registers[REG_RAX] = 0;
    registers[REG_EFL] &= ~(greg_t)DIRECTION_AND_TRAP;
    memory_copy(&context->uc_sigmask, &mask, sizeof mask);
    return true;
}

void sigframe_call_on(char *top, void (*work)(void *), void *argument)
{
    top = (char *)((uintptr_t)top & ~(uintptr_t)15);
    __asm__ volatile("movq %%rsp, %%rbx\n\tmovq %[top], %%rsp\n\tcallq *%[work]\n\tmovq %%rbx, %%rsp"
                     : "+D"(argument), [top] "+r"(top), [work] "+r"(work)
                     : : "rbx", "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory",
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#else

bool sigframe_move(ucontext_t *context, const siginfo_t *info, int number, uintptr_t handler, unsigned long mask)
{
    (void)context;
    (void)info;
    (void)number;
    (void)handler;
    (void)mask;
    return false;
}

void sigframe_call_on(char *top, void (*work)(void *), void *argument)
{
    register void *first __asm__("x0") = argument;
    top = (char *)((uintptr_t)top & ~(uintptr_t)15);
    __asm__ volatile("mov x19, sp\n\tmov sp, %[top]\n\tblr %[work]\n\tmov sp, x19"
                     : "+r"(first), [top] "+r"(top), [work] "+r"(work)
                     : : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                       "x17", "x19", "x30", "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18",
                       "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

#endif
