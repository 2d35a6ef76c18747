/* The address one past the end holds nothing: definite. */
#include "subject.h"

char *end;

static NOINLINE void make(void)
{
    char *block = malloc(64); /* LEAK: definite 64 bytes 1 block */
    KEEP(block);
    memset(block, 0, 64);
    end = block + 64;
}

int main(void)
{
    make();
    scrub();
    return 0;
}
