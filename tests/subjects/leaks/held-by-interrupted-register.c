/* Held by a register of code that a signal handler has interrupted: it lies in the signal's frame. */
#include <signal.h>
#include "waiting.h"

static volatile int spinning;
static uintptr_t hidden;

static NOINLINE void make(void)
{
    hidden = hide(malloc(459)); /* LEAK: reachable 459 bytes 1 block */
}

static void handler(int number)
{
    WAIT_FOR_EVER();
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
    signal(SIGUSR1, handler);
    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&other, NULL, thread, NULL);
    while (!spinning)
        ;
    pthread_kill(other, SIGUSR1);
    pthread_barrier_wait(&ready);
    scrub();
    return 0;
}
