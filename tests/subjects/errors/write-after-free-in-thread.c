/* One thread frees, another one still writes. */
#include <pthread.h>
#include "subject.h"

static char *shared;
static pthread_barrier_t freed;

static void *writer(void *unused)
{
    pthread_barrier_wait(&freed);
    ((volatile char *)shared)[5] = 'A'; /* BUG: heap-use-after-free write offset=5 size=1 */
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_barrier_init(&freed, NULL, 2);
    shared = malloc(90); /* ALLOC */
    pthread_create(&other, NULL, writer, NULL);
    free(shared); /* FREE */
    pthread_barrier_wait(&freed);
    pthread_join(other, NULL);
    return 0;
}
