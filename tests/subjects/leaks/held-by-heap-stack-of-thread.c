/* A thread runs on a stack that is a heap block, which nothing points to, and holds a block. */
#include <malloc.h>
#include "waiting.h"

static void *thread(void *unused)
{
    char *volatile block = malloc(167); /* LEAK: reachable 167 bytes 1 block */
    WAIT_FOR_EVER();
    return block;
}

static NOINLINE void begin(void)
{
    pthread_attr_t attributes;
    void *stack = memalign(4096, 1 << 18); /* LEAK: reachable 262144 bytes 1 block */
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, 1 << 18);
    start(&attributes, thread);
    pthread_attr_destroy(&attributes);
    memset(&attributes, 0, sizeof attributes);
}

int main(void)
{
    begin();
    scrub();
    return 0;
}
