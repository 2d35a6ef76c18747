/* Lost and held blocks of every class of size, up to some that get pages of their own. */
#include "subject.h"

void *held[4];

static NOINLINE void lose(size_t size)
{
    void *block = malloc(size); /* LEAK: definite 5376000 bytes 4 blocks */
    KEEP(block);
}

int main(void)
{
    static const size_t sizes[4] = { 1000, 75000, 300000, 5000000 };
    for (int i = 0; i < 4; i++) {
        lose(sizes[i]);
        held[i] = malloc(sizes[i]); /* LEAK: reachable 5376000 bytes 4 blocks */
    }
    scrub();
    return 0;
}
