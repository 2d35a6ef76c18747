/* Five thousand short-lived threads, each of which allocates, frees what another one allocated, and leaves something behind
 * for the next. */
#include <pthread.h>
#include "subject.h"

static void *left;

static void *thread(void *argument)
{
    free(left);
    left = malloc(100 + (size_t)(uintptr_t)argument % 400);
    memset(left, 1, 100);
    return left;
}

int main(void)
{
    long sum = 0;
    for (uintptr_t i = 0; i < 5000; i++) {
        pthread_t other;
        void *result;
        if (pthread_create(&other, NULL, thread, (void *)i))
            return 1;
        pthread_join(other, &result);
        sum += *(char *)result;
    }
    free(left);
    printf("%ld\n", sum);
    return 0;
}
