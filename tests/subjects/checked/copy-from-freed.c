/* memcpy reads from a block that its owner has freed. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char kept[32], *block = malloc(40); /* ALLOC */
    memset(block, 'a', 40);
    free(block); /* FREE */
    KEEP(block);
    memcpy(kept, block + 4, sizeof kept); /* BUG: heap-use-after-free read offset=4 size=32 */
    KEEP_OBJECT(kept);
    return 0;
}
