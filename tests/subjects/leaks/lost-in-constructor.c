/* Lost before main. */
#include "subject.h"

static __attribute__((constructor)) void before(void)
{
    void *block = malloc(29); /* LEAK: definite 29 bytes 1 block */
    KEEP(block);
    block = NULL;
    KEEP(block);
    scrub();
}

int main(void)
{
    scrub();
    return 0;
}
