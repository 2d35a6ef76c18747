/* Held by thread-local variables alone: main's, and those of a thread that still runs. */
#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static _Thread_local char *mine;
static pthread_barrier_t ready;

static NOINLINE void hold(size_t size)
{
    mine = malloc(size); /* LEAK: reachable 300 bytes 2 blocks */
    KEEP(mine);
}

static void *thread(void *unused)
{
    hold(200);
    scrub();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_barrier_init(&ready, NULL, 2);
    hold(100);
    pthread_create(&other, NULL, thread, NULL);
    pthread_barrier_wait(&ready);
    scrub();
    return 0;
}
