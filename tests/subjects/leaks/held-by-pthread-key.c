/* Held by pthread_setspecific values alone: of the first keys (in the thread's descriptor) and of a late one (in a block that
 * libc allocates), in main and in a thread that still runs. */
#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static pthread_key_t keys[60];
static pthread_barrier_t ready;

static NOINLINE void hold(void)
{
    pthread_setspecific(keys[3], malloc(30)); /* LEAK: reachable 60 bytes 2 blocks */
    pthread_setspecific(keys[50], malloc(50)); /* LEAK: reachable 1124 bytes 4 blocks */ /* with two blocks of 512 that libc adds */
    __asm__ volatile("");
}

static void *thread(void *unused)
{
    hold();
    scrub();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_t other;
    for (int i = 0; i < 60; i++)
        pthread_key_create(&keys[i], NULL);
    pthread_barrier_init(&ready, NULL, 2);
    hold();
    pthread_create(&other, NULL, thread, NULL);
    pthread_barrier_wait(&ready);
    scrub();
    _exit(0);
}
