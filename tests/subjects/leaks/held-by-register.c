/* Held by a register of a thread that spins, and by nothing else. */
#include <pthread.h>
#include "subject.h"

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "which register?"
#endif

static volatile int spinning;
static uintptr_t hidden;

static NOINLINE void make(void)
{
    hidden = hide(malloc(456)); /* LEAK: reachable 456 bytes 1 block */
}

static void *thread(void *unused)
{
    scrub();
#if defined(__x86_64__)
    __asm__ volatile("not %0\n\tmov %0, %%r12\n\txor %0, %0\n\tmovl $1, %1\n1:\tpause\n\tjmp 1b"
                     : : "r"(hidden), "m"(spinning) : "r12", "memory");
#else
    __asm__ volatile("mvn x20, %0\n\tmov %0, 0\n\tmov w21, 1\n\tstr w21, %1\n1:\tyield\n\tb 1b"
                     : : "r"(hidden), "m"(spinning) : "x20", "x21", "memory");
#endif
    return unused;
}

int main(void)
{
    pthread_t other;
    make();
    pthread_create(&other, NULL, thread, NULL);
    while (!spinning)
        ;
    scrub();
    return 0;
}
