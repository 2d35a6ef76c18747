/* A thread that was joined held a block on its stack and in a thread-local variable: both are gone with it. */
#include <pthread.h>
#include "subject.h"

static _Thread_local void *mine;

static void *thread(void *unused)
{
    mine = malloc(21); /* LEAK: definite 21 bytes 1 block */
    char *volatile block = malloc(22); /* LEAK: definite 22 bytes 1 block */
    KEEP(mine);
    return block ? unused : NULL;
}

int main(void)
{
    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    scrub();
    return 0;
}
