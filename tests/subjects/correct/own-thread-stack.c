/* Threads on stacks that the program allocated itself, from the heap. */
#include <pthread.h>
#include "subject.h"

static void *thread(void *argument)
{
    char *block = malloc(500);
    memset(block, 3, 500);
    long *result = argument;
    *result += block[499];
    free(block);
    return argument;
}

int main(void)
{
    long sum = 0;
    pthread_attr_t attributes;
    void *stack = aligned_alloc(4096, 1 << 18);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, 1 << 18);
    for (int i = 0; i < 10; i++) {
        pthread_t other;
        if (pthread_create(&other, &attributes, thread, &sum))
            return 1;
        pthread_join(other, NULL);
    }
    free(stack);
    printf("%ld\n", sum);
    return 0;
}
