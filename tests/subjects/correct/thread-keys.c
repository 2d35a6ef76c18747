/* Destructors of thread-specific data free and allocate again, in several rounds, after the thread's own end. */
#include <pthread.h>
#include "subject.h"

static pthread_key_t key;

static void destroy(void *value)
{
    int *rounds = value;
    if (++*rounds < 3) {
        int *next = malloc(sizeof *next);
        *next = *rounds;
        pthread_setspecific(key, next);
    }
    free(rounds);
}

static void *thread(void *unused)
{
    pthread_setspecific(key, calloc(1, sizeof(int)));
    return unused;
}

int main(void)
{
    pthread_key_create(&key, destroy);
    for (int i = 0; i < 50; i++) {
        pthread_t other;
        pthread_create(&other, NULL, thread, NULL);
        pthread_join(other, NULL);
    }
    puts("done");
    return 0;
}
