/* Held by the living frame of another thread, which waits in a system call with every signal blocked. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "subject.h"

static pthread_barrier_t ready;

static void *thread(void *unused)
{
    char *volatile block = malloc(160); /* LEAK: reachable 160 bytes 1 block */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    scrub();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return block;
}

int main(void)
{
    pthread_t other;
    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&other, NULL, thread, NULL);
    pthread_barrier_wait(&ready);
    scrub();
    return 0;
}
