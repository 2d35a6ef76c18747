/* The block was made smaller; the program still writes to its old size. */
#include "subject.h"

int main(void)
{
    char *block = malloc(100);
    KEEP(block);
    block = realloc(block, 60); /* ALLOC */
    KEEP(block);
    ((volatile char *)block)[60] = 'A'; /* BUG: heap-buffer-overflow write offset=60 size=1 */
    free(block); /* FREE */
    return 0;
}
