/* The only pointer lies in a block that was freed: it holds nothing. */
#include "subject.h"

void **holder;

static NOINLINE void build(void)
{
    holder = malloc(64);
    KEEP(holder);
    memset(holder, 0, 64);
    holder[2] = malloc(128); /* LEAK: definite 128 bytes 1 block */
    KEEP(holder);
    free(holder);
}

int main(void)
{
    build();
    scrub();
    return 0;
}
