/* What a frame that has returned left on a stack that the program supplied holds nothing; nor does what the program writes beside
 * that stack, in the same mapping, stop counting. */
#include <sys/mman.h>
#include "waiting.h"

static char *mapping;

static NOINLINE void lose(void)
{
    char *volatile block[200];
    for (int i = 0; i < 200; i++)
        block[i] = NULL;
    block[100] = malloc(34); /* LEAK: definite 34 bytes 1 block */
    KEEP(block[0]);
}

static NOINLINE void keep(void)
{
    void *block = malloc(35); /* LEAK: reachable 35 bytes 1 block */
    memcpy(mapping + 64, &block, sizeof block);
}

static void *thread(void *unused)
{
    char room[40000];
    char *p = room;
    KEEP(p);
    lose();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_attr_t attributes;
    mapping = mmap(NULL, 1 << 19, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    keep();
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, mapping + (1 << 18), 1 << 18);
    start(&attributes, thread);
    scrub();
    return 0;
}
