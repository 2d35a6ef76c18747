/* Two threads lose a block each. */
#include <pthread.h>
#include "subject.h"

static NOINLINE void lose(void)
{
    char *block = malloc(1234); /* LEAK: definite 2468 bytes 2 blocks */
    KEEP(block);
}

static void *thread(void *unused)
{
    lose();
    scrub();
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, thread, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    scrub();
    return 0;
}
