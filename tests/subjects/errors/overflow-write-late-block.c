/* One of many blocks of a site, long after its first ones were guarded, is overrun: found late. */
#include "subject.h"

static NOINLINE char *make(void)
{
    char *block = malloc(32); /* ALLOC */
    KEEP(block);
    return block;
}

int main(void)
{
    char *blocks[300];
    for (int i = 0; i < 300; i++)
        blocks[i] = make();
    blocks[250][32] = 1; /* BUG: heap-buffer-overflow write offset=32 size=1 */
    for (int i = 0; i < 300; i++)
        free(blocks[i]); /* FREE */
    return 0;
}
