/* A copy begins eight bytes before its block. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *block = malloc(64); /* ALLOC */
    memset(block, 'b', 64);
    KEEP(block);
    memmove(block - 8, "sixteen letters!", 16); /* BUG: heap-buffer-underflow write offset=-8 size=8 */
    free(block);
    return 0;
}
