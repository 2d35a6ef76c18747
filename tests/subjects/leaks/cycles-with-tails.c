/* Lost cycles: a ring on which three blocks hang, ten pairs, and a pair that a lost block leads to.
 *
 * Which member of a cycle is definitely lost depends on the order of addresses, of which nothing is promised: */
/* DIFFERS: not in sums; the members of a cycle are all from one line, and which of them is definitely lost does not show */
#include "subject.h"

static NOINLINE void **ring(void)
{
    void **block = calloc(1, 40); /* LEAK: definite 40 bytes 1 block over 460 bytes 7 blocks */ /* LEAK: indirect 160 bytes 4 blocks */
    KEEP(block);
    return block;
}

static NOINLINE void **tail(void)
{
    void **block = calloc(1, 100); /* LEAK: indirect 300 bytes 3 blocks */
    KEEP(block);
    return block;
}

static NOINLINE void **pair(void)
{
    void **block = calloc(1, 24); /* LEAK: definite 240 bytes 10 blocks over 240 bytes 10 blocks */ /* LEAK: indirect 240 bytes 10 blocks */
    KEEP(block);
    return block;
}

static NOINLINE void **owner(void)
{
    void **block = calloc(1, 16); /* LEAK: definite 16 bytes 1 block over 64 bytes 2 blocks */
    KEEP(block);
    return block;
}

static NOINLINE void **owned(void)
{
    void **block = calloc(1, 32); /* LEAK: indirect 64 bytes 2 blocks */
    KEEP(block);
    return block;
}

/* From one line, whatever the compiler does with it: one allocation stack. */
static NOINLINE void fill(void ***list, volatile int *n, void **(*maker)(void))
{
    for (int i = 0; i < *n; i++)
        list[i] = maker();
}

static NOINLINE void make(void)
{
    void **blocks[20];
    volatile int n = 5;
    fill(blocks, &n, ring);
    for (int i = 0; i < 5; i++)
        blocks[i][0] = blocks[(i + 1) % 5];
    void **first = blocks[3];
    n = 3;
    fill(blocks, &n, tail);
    first[1] = blocks[0];
    blocks[0][0] = blocks[1];
    blocks[1][3] = blocks[2];
    n = 20;
    fill(blocks, &n, pair);
    for (int i = 0; i < 20; i++)
        blocks[i][i % 3] = blocks[i ^ 1];
    void **holder = owner();
    n = 2;
    fill(blocks, &n, owned);
    holder[1] = blocks[0];
    blocks[0][3] = blocks[1];
    blocks[1][0] = blocks[0];
    KEEP(first);
    KEEP(holder);
}

int main(void)
{
    make();
    scrub();
    return 0;
}
