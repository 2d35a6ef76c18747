/* A pointer eight bytes into a block whose first word is the length of the rest: the length64 heuristic. */
#include "subject.h"

char *held;

static NOINLINE void make(void)
{
    uint64_t *block = malloc(72); /* LEAK: reachable 72 bytes 1 block */
    KEEP(block);
    memset(block, 0, 72);
    block[0] = 64;
    held = (char *)(block + 1);
}

int main(void)
{
    make();
    scrub();
    return 0;
}
