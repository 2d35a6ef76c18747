/* memset clears a block after it was freed. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *block = malloc(100); /* ALLOC */
    KEEP(block);
    free(block); /* FREE */
    KEEP(block);
    memset(block, 0, 100); /* BUG: heap-use-after-free write offset=0 size=100 */
    return 0;
}
