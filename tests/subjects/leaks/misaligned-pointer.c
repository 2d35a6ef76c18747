/* A pointer kept at an address that is no multiple of eight is not found: definite. */
#include "subject.h"

struct __attribute__((packed)) holder { char tag; char *block; } holder;

static NOINLINE void make(void)
{
    char *block = malloc(40); /* LEAK: definite 40 bytes 1 block */
    KEEP(block);
    memcpy((char *)&holder + 1, &block, sizeof block);
}

int main(void)
{
    make();
    scrub();
    return 0;
}
