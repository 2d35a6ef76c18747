/* Held by a living frame of a thread whose stack the program supplied. */
#include <sys/mman.h>
#include "waiting.h"

static void *thread(void *unused)
{
    char *volatile block = malloc(161); /* LEAK: reachable 161 bytes 1 block */
    WAIT_FOR_EVER();
    return block;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 18);
    start(&attributes, thread);
    scrub();
    return 0;
}
