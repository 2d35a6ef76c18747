/* A leaf function may keep what it likes in the 128 bytes below the stack pointer, and nothing below those. */
/* DIFFERS: not in figures: memcheck calls what lies below the red zone an invalid write */
#include "waiting.h"

static volatile int spinning;
static uintptr_t hidden[2];

static NOINLINE void make(void)
{
    hidden[0] = hide(malloc(460)); /* LEAK: reachable 460 bytes 1 block */
    hidden[1] = hide(malloc(461)); /* LEAK: definite 461 bytes 1 block */
}

static void *thread(void *unused)
{
    scrub();
#if defined(__x86_64__)
    __asm__ volatile("not %0\n\tmov %0, -120(%%rsp)\n\tnot %1\n\tmov %1, -136(%%rsp)\n\txor %0, %0\n\txor %1, %1\n\t"
                     "movl $1, %2\n1:\tpause\n\tjmp 1b"
                     : : "r"(hidden[0]), "r"(hidden[1]), "m"(spinning) : "memory");
#else
#error "which architecture has a red zone?"
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
