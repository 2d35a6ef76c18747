/* Goes through malloc, calloc, realloc and free by single steps, and looks at each instruction whether a thread that was parked there would hold
 * its block: while that lives (malloc_usable_size says so), its address must be in a register or on the stack, red zone included. The memory of a
 * block freed just now is the next one's of its size, if the tool gives back at once; else malloc's cannot be known before.
 *
 * Prints per function: how many calls were looked at, at how many instructions the block lived, at how many it was held by nothing, and where
 * the first such one is. First with one thread, then with another one that sleeps. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>
#include "subject.h"

#if defined(__x86_64__)

enum { BYTES = 200, WARM = 3000, ROUNDS = 20, TAKEN = 4, RED_ZONE = 128 };

static volatile int looking;
static volatile uintptr_t hidden;       /* the block that is looked for */
static volatile uintptr_t top;                   /* the stack pointer before the call */
static volatile unsigned long lived, unheld;
static volatile uintptr_t first_unheld;

static int is_among(const void *words, size_t bytes, uintptr_t value)
{
    const uintptr_t *word = words;
    for (size_t i = 0; i < bytes / sizeof *word; i++)
        if (word[i] == value)
            return 1;
    return 0;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    uintptr_t sp = ((uintptr_t)at->uc_mcontext.gregs[REG_RSP] - RED_ZONE) & ~(uintptr_t)7, block = ~hidden;
    if (!looking || malloc_usable_size((void *)block) == 0)
        return;
    lived++;
    if (is_among(at->uc_mcontext.gregs, (REG_RIP + 1) * sizeof(greg_t), block) || is_among(at->uc_mcontext.fpregs->_xmm, 256, block)
        || is_among((void *)sp, top - sp, block))
        return;
    if (!unheld++)
        first_unheld = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
}

/* function(~not_first, second), by single steps if flag is 0x100. Nothing but the first argument's register holds it. */
static NOINLINE uintptr_t call(void *function, uintptr_t not_first, uintptr_t second, uintptr_t flag)
{
    uintptr_t result;
    register void *target __asm__("r12") = function;
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "sub $512, %%rsp\n\t"
                     "and $-16, %%rsp\n\t"
                     "mov %%rsp, %[top]\n\t"
                     "mov %%rdx, %%r13\n\t"
                     "xor %%edx, %%edx\n\txor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\txor %%r11d, %%r11d\n\t"
                     "xor %%r14d, %%r14d\n\txor %%r15d, %%r15d\n\t"
                     "pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
                     "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\tpxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t"
                     "pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
                     "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15\n\t"
                     "not %%rdi\n\t"
                     "pushfq\n\t"
                     "or %%r13, (%%rsp)\n\t"
                     "popfq\n\t"
                     "call *%%r12\n\t"
                     "pushfq\n\t"
                     "andq $-257, (%%rsp)\n\t"
                     "popfq\n\t"
                     "mov %%rbx, %%rsp"
                     : "=a"(result), [top] "=m"(top), "+D"(not_first), "+S"(second), "+d"(flag), "+r"(target)
                     :
                     : "rbx", "rcx", "r8", "r9", "r10", "r11", "r13", "r14", "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return result;
}

/* The same, looked at. */
static uintptr_t look(void *function, uintptr_t not_first, uintptr_t second, uintptr_t not_block)
{
    scrub();
    hidden = not_block;
    looking = 1;
    uintptr_t result = call(function, not_first, second, 0x100);
    looking = 0;
    return result;
}

static void print(const char *name, unsigned rounds)
{
    Dl_info where = {.dli_fname = "-"};
    if (unheld)
        dladdr((void *)first_unheld, &where);
    printf("%s %u %lu %lu %s+%#lx\n", name, rounds, lived, unheld, where.dli_fname,
           unheld ? (unsigned long)(first_unheld - (uintptr_t)where.dli_fbase) : 0);
}

static void gives(const char *name, void *function, uintptr_t first, uintptr_t second)
{
    unsigned rounds = 0;
    lived = unheld = 0;
    for (int i = 0; i < WARM + ROUNDS; i++) {
        uintptr_t block = ~call(function, ~first, second, 0), again;
        call((void *)free, block, 0, 0);
        unsigned long before = lived, none = unheld;
        again = i < WARM ? ~call(function, ~first, second, 0) : ~look(function, ~first, second, block);
        if (i >= WARM && again == block)
            rounds++;
        else
            lived = before, unheld = none;      /* another one, of which nothing was seen */
        call((void *)free, again, 0, 0);
    }
    print(name, rounds);
}

static void takes(const char *name, void *function, uintptr_t second)
{
    unsigned rounds = 0;
    lived = unheld = 0;
    for (int i = 0; i < WARM + TAKEN; i++) {
        uintptr_t block = ~call((void *)malloc, ~(uintptr_t)BYTES, 0, 0), result;
        result = i < WARM ? call(function, block, second, 0) : look(function, block, second, block);
        rounds += i >= WARM;
        if (function == (void *)realloc)
            free((void *)result);
    }
    print(name, rounds);
}

static void all(void)
{
    void *sized = dlsym(RTLD_DEFAULT, "free_sized");
    gives("malloc", (void *)malloc, BYTES, 0);
    gives("calloc", (void *)calloc, BYTES, 1);
    takes("free", (void *)free, 0);
    takes("realloc", (void *)realloc, BYTES + 1);
    takes("realloc", (void *)realloc, 5 * BYTES);
    if (sized)
        takes("free_sized", sized, BYTES);
}

static void *sleeps(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    pthread_t other;
    sigaction(SIGTRAP, &action, NULL);
    all();
    pthread_create(&other, NULL, sleeps, NULL);
    all();
    return 0;
}

#else

int main(void)
{
    puts("skipped");
    return 0;
}

#endif
