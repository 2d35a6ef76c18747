/* Many allocations, most freed: what is left is exact. */
#include "subject.h"

static void *table[1000];

static NOINLINE void *make(size_t size)
{
    void *block = malloc(size); /* LEAK: reachable 16650 bytes 333 blocks */
    KEEP(block);
    return block;
}

int main(void)
{
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < 1000; i++) {
            free(table[i]);
            table[i] = make(50);
        }
    for (int i = 0; i < 1000; i++)
        if (i % 3 != 1) {
            free(table[i]);
            table[i] = NULL;
        }
    scrub();
    return 0;
}
