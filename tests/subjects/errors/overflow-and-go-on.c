/* After each mistake the program goes on, and its own output and status are its own. */
#include "subject.h"

int main(void)
{
    char *block = malloc(10); /* ALLOC */
    KEEP(block);
    ((volatile char *)block)[10] = 'A'; /* BUG: heap-buffer-overflow write offset=10 size=1 */
    free(block); /* FREE */
    puts("still here");
    return 7;
}
