/* Every block is allocated by one thread and freed by another. */
#include <pthread.h>
#include "subject.h"

enum { SLOTS = 64, ITEMS = 20000 };
static void *ring[SLOTS];
static unsigned head, tail;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;

static void *consumer(void *unused)
{
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (head == tail)
            pthread_cond_wait(&change, &lock);
        void *block = ring[tail++ % SLOTS];
        pthread_cond_broadcast(&change);
        pthread_mutex_unlock(&lock);
        free(block);
    }
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_create(&other, NULL, consumer, NULL);
    for (size_t i = 0; i < ITEMS; i++) {
        char *block = malloc(i % 500 + 1);
        block[i % 500] = 1;
        pthread_mutex_lock(&lock);
        while (head - tail == SLOTS)
            pthread_cond_wait(&change, &lock);
        ring[head++ % SLOTS] = block;
        pthread_cond_broadcast(&change);
        pthread_mutex_unlock(&lock);
    }
    pthread_join(other, NULL);
    printf("%u\n", tail);
    return 0;
}
