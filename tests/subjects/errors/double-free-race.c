/* Two threads free the same block at once: one of the two is wrong, so there is exactly one double-free. */
#include <pthread.h>
#include "subject.h"

static void *shared;
static pthread_barrier_t barrier;

static void *thread(void *unused)
{
    pthread_barrier_wait(&barrier);
    free(shared); /* BUG: double-free free offset=0 count=1 */ /* FREE */
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 2);
    shared = malloc(128); /* ALLOC */
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, thread, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
