/* A context that was switched out keeps its registers in a ucontext_t, there and nowhere else. */
#include <sys/mman.h>
#include <ucontext.h>
#include "subject.h"

static ucontext_t back, context;
static uintptr_t hidden;

static NOINLINE void make(void)
{
    hidden = hide(malloc(78)); /* LEAK: reachable 78 bytes 1 block */
}

static void body(void)
{
    scrub();
#if defined(__x86_64__)
    __asm__ volatile("mov %0, %%r13\n\tnot %%r13\n\tcall *%1"
                     : : "m"(hidden), "r"(swapcontext), "D"(&context), "S"(&back) : "r13", "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory");
#else
    swapcontext(&context, &back);
#endif
}

int main(void)
{
    make();
    getcontext(&context);
    context.uc_stack.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    context.uc_stack.ss_size = 65536;
    context.uc_link = &back;
    makecontext(&context, body, 0);
    swapcontext(&back, &context);
    scrub();
    return 0;
}
