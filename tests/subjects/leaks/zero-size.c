/* Blocks of zero bytes: held and lost ones count as blocks. */
#include "subject.h"

void *held;

static NOINLINE void lose(void)
{
    void *block = malloc(0); /* LEAK: definite 0 bytes 1 block */
    KEEP(block);
}

int main(void)
{
    held = malloc(0); /* LEAK: reachable 0 bytes 1 block */
    lose();
    scrub();
    return 0;
}
