/* Of blocks that many copies were made from, so that the checks know the place by heart, one is freed and copied from once more. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#define BLOCKS 300
#define BYTES 6000      /* no slab has such */

int main(void)
{
    static char *blocks[BLOCKS];
    char kept[32];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BYTES); /* ALLOC */
        memset(blocks[i], 'a', BYTES);
    }
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < BLOCKS; i++)
            memcpy(kept, blocks[i] + 1000 * round, sizeof kept);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]); /* FREE */
    KEEP_OBJECT(blocks);
    memcpy(kept, blocks[250] + 1000, sizeof kept); /* BUG: heap-use-after-free read offset=1000 size=32 */
    KEEP_OBJECT(kept);
    return 0;
}
