/* A lost block points at one that a global holds as well: only the owner is lost. */
#include "subject.h"

void *shared;

static NOINLINE void lose(void)
{
    void **owner = malloc(24); /* LEAK: definite 24 bytes 1 block */
    KEEP(owner);
    memset(owner, 0, 24);
    owner[1] = shared;
    KEEP(owner);
}

int main(void)
{
    shared = malloc(500); /* LEAK: reachable 500 bytes 1 block */
    lose();
    scrub();
    return 0;
}
