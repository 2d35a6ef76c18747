/* Held by a vector register of a thread that spins, and by nothing else. */
/* DIFFERS: memcheck looks at general registers only */
#include "waiting.h"

static volatile int spinning;
static uintptr_t hidden;

static NOINLINE void make(void)
{
    hidden = hide(malloc(457)); /* LEAK: reachable 457 bytes 1 block */
}

static void *thread(void *unused)
{
    scrub();
#if defined(__x86_64__)
    __asm__ volatile("not %0\n\tmovq %0, %%xmm9\n\txor %0, %0\n\tmovl $1, %1\n1:\tpause\n\tjmp 1b"
                     : : "r"(hidden), "m"(spinning) : "xmm9", "memory");
#else
    __asm__ volatile("mvn x20, %0\n\tfmov d9, x20\n\tmov %0, 0\n\tmov x20, 0\n\tmov w21, 1\n\tstr w21, %1\n1:\tyield\n\tb 1b"
                     : : "r"(hidden), "m"(spinning) : "x20", "x21", "d9", "memory");
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
