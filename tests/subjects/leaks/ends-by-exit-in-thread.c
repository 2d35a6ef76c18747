/* A thread calls exit() while main waits for it: main's frame is alive. */
#include <pthread.h>
#include "subject.h"

static NOINLINE void lose(void)
{
    void *block = malloc(65); /* LEAK: definite 65 bytes 1 block */
    KEEP(block);
}

static void *thread(void *unused)
{
    lose();
    scrub();
    exit(4);
    return unused;
}

int main(void)
{
    pthread_t other;
    void *volatile held = malloc(66); /* LEAK: reachable 66 bytes 1 block */
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    return held == NULL;
}
