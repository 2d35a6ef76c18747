/* A thread blocks every signal by a system call of its own, so that nothing can stop it, and holds a block of 72 bytes; one of 71
 * is lost. argv[1] "end": the thread is let go and joined before the program ends. */
#include <sys/syscall.h>
#include "waiting.h"

static volatile int done;

static NOINLINE void lose(size_t size)
{
    void *block = malloc(size);
    KEEP(block);
}

static void *thread(void *unused)
{
    char *volatile block = malloc(72);
    unsigned long all = ~0ul;
    long result;
#if defined(__x86_64__)
    __asm__ volatile("xor %%r10d, %%r10d\n\tmov $8, %%r10d\n\tsyscall" : "=a"(result)
                     : "a"(SYS_rt_sigprocmask), "D"(0), "S"(&all), "d"(0) : "rcx", "r11", "r10", "memory");
#else
    result = syscall(SYS_rt_sigprocmask, 0, &all, 0, 8);
#endif
    KEEP(result);
    pthread_barrier_wait(&ready);
    while (!done) {}
    return block ? unused : NULL;
}

int main(int argc, char **argv)
{
    pthread_t other;
    lose(71);
    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&other, NULL, thread, NULL);
    pthread_barrier_wait(&ready);
    if (argc > 1 && argv[1][0] == 'e') {
        done = 1;
        pthread_join(other, NULL);
    }
    scrub();
    return 0;
}
