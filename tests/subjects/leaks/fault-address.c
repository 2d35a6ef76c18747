/* DIFFERS: not in figures: memcheck calls the write to a page that the program has shut an error */
/* The address of the last fault that a thread handled, which the kernel keeps among its registers, holds nothing. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include "subject.h"

static volatile int touched;
static uintptr_t hidden;

static NOINLINE void make(void)
{
    hidden = hide(memalign(4096, 4096)); /* LEAK: definite 4096 bytes 1 block */
    mprotect(unhide(hidden), 4096, PROT_NONE);
}

static void on_fault(int number)
{
    mprotect(unhide(hidden), 4096, PROT_READ | PROT_WRITE);
}

static void *thread(void *unused)
{
    scrub();
#if defined(__x86_64__)
    __asm__ volatile("mov %0, %%rax\n\tnot %%rax\n\tmovb $0, (%%rax)\n\txor %%eax, %%eax\n\tmovl $1, %1\n1:\tpause\n\tjmp 1b"
                     : : "m"(hidden), "m"(touched) : "rax", "memory");
#else
    *(volatile char *)unhide(hidden) = 0;
    touched = 1;
    for (;;)
        pause();
#endif
    return unused;
}

int main(void)
{
    pthread_t other;
    make();
    signal(SIGSEGV, on_fault);
    pthread_create(&other, NULL, thread, NULL);
    while (!touched)
        ;
    scrub();
    return 0;
}
