/* A thread had the pointers in registers, general and vector ones, and has overwritten them. */
#include "waiting.h"

static volatile int spinning;
static uintptr_t hidden[2];

static NOINLINE void make(void)
{
    for (int i = 0; i < 2; i++)
        hidden[i] = hide(malloc(458)); /* LEAK: definite 916 bytes 2 blocks */
}

static void *thread(void *unused)
{
    scrub();
#if defined(__x86_64__)
    __asm__ volatile("not %0\n\tmovq %0, %%xmm9\n\tnot %1\n\tmov %1, %%r12\n\txor %0, %0\n\txor %1, %1\n\t"
                     "pxor %%xmm9, %%xmm9\n\txor %%r12, %%r12\n\tmovl $1, %2\n1:\tpause\n\tjmp 1b"
                     : : "r"(hidden[0]), "r"(hidden[1]), "m"(spinning) : "xmm9", "r12", "memory");
#else
    spinning = 1;
    for (;;)
        pause();
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
