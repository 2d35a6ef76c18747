/* Threads with the smallest stack there is: the tool must live with what is left of it. */
#include <limits.h>
#include <pthread.h>
#include "subject.h"

static void *thread(void *unused)
{
    for (size_t i = 0; i < 100; i++)
        free(malloc(i * 100));
    return unused;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN);
    for (int i = 0; i < 20; i++) {
        pthread_t other;
        if (pthread_create(&other, &attributes, thread, NULL))
            return 1;
        pthread_join(other, NULL);
    }
    puts("done");
    return 0;
}
