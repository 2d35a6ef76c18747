/* A thread that holds what it holds and waits until the program has ended. */
#ifndef WAITING_H
#define WAITING_H

#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static pthread_barrier_t ready;

/* Called in the thread, when it holds: never returns. */
#define WAIT_FOR_EVER() do { scrub(); pthread_barrier_wait(&ready); for (;;) pause(); } while (0)

/* Starts the thread and waits until it holds. */
static inline void start(const pthread_attr_t *attributes, void *(*thread)(void *))
{
    pthread_t other;
    pthread_barrier_init(&ready, NULL, 2);
    if (pthread_create(&other, attributes, thread, NULL))
        abort();
    pthread_barrier_wait(&ready);
}

#endif
