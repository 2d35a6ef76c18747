/* Damage done before a realloc is found by it. */
#include "subject.h"

int main(void)
{
    char *block = malloc(24); /* ALLOC */
    KEEP(block);
    ((volatile char *)block)[24] = 'A'; /* BUG: heap-buffer-overflow write offset=24 size=1 */
    block = realloc(block, 4000); /* FREE */
    KEEP(block);
    free(block);
    return 0;
}
