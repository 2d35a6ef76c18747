/* Held by words all over a large mapping, which is read in pieces: near every multiple of a megabyte, on both sides. */
#include <sys/mman.h>
#include "subject.h"

enum { MEGABYTE = 1 << 20, SIZE = 96 * MEGABYTE };

static char *mapping;

static NOINLINE void hold(size_t at)
{
    void *block = malloc(90); /* LEAK: reachable 34200 bytes 380 blocks */
    memcpy(mapping + at, &block, sizeof block);
}

static NOINLINE void lose(void)
{
    void *block = malloc(93); /* LEAK: definite 93 bytes 1 block */
    KEEP(block);
}

int main(void)
{
    mapping = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return 1;
    memset(mapping, 1, SIZE);
    for (int i = 1; i < 96; i++)
        for (int k = -16; k < 16; k += 8)
            hold((size_t)i * MEGABYTE + (size_t)k);
    lose();
    scrub();
    return 0;
}
