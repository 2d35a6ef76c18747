/* strncpy fills the block exactly, and strlen looks for an end that is not there. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *block = malloc(16); /* ALLOC */
    strncpy(block, "0123456789abcdefgh", 16);
    KEEP(block);
    size_t length = strlen(block); /* BUG: heap-buffer-overflow read offset=16 size=1 */
    free(block);
    return length >= 16 ? 0 : 1;
}
