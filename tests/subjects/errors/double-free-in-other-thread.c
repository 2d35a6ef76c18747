/* One thread frees a block, another one frees it again. */
#include <pthread.h>
#include "subject.h"

static void *shared;

static void *thread(void *unused)
{
    free(shared); /* BUG: double-free free offset=0 */
    return unused;
}

int main(void)
{
    pthread_t other;
    shared = malloc(77); /* ALLOC */
    free(shared); /* FREE */
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    return 0;
}
