/* What a frame that has returned left on another thread's stack holds nothing. */
#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static pthread_barrier_t ready;

static NOINLINE void lose(void)
{
    char *volatile block[200];
    for (int i = 0; i < 200; i++)
        block[i] = NULL;
    block[100] = malloc(33); /* LEAK: definite 33 bytes 1 block */
    KEEP(block[0]);
}

static void *thread(void *unused)
{
    char room[4096];
    char *p = room;
    KEEP(p);
    lose();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return unused;
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
