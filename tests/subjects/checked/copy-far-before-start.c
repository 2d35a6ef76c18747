/* A read begins in the block in front, past its end, and goes over into the one that was meant. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char kept[64];
    static char *blocks[64];
    for (int i = 0; i < 64; i++)
        blocks[i] = malloc(33); /* ALLOC */
    char *block = blocks[40];
    for (int i = 41; i < 64; i++)       /* one with a neighbour of the same size in front */
        if (blocks[i] - 80 == blocks[i - 1])
            block = blocks[i];
    KEEP(block);
    memcpy(kept, block - 20, 50); /* BUG: heap-buffer-underflow read offset=-20 size=20 */
    KEEP_OBJECT(kept);
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
    return 0;
}
