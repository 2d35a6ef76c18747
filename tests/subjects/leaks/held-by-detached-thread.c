/* A detached thread still runs when the program ends, and holds what it was given. */
#include "waiting.h"

static void *thread(void *given)
{
    KEEP(given);
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return given;
}

static NOINLINE void give(void)
{
    pthread_t other;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_create(&other, &attributes, thread, malloc(162)); /* LEAK: reachable 162 bytes 1 block */
}

int main(void)
{
    pthread_barrier_init(&ready, NULL, 2);
    give();
    pthread_barrier_wait(&ready);
    scrub();
    return 0;
}
