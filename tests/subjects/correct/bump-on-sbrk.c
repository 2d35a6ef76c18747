/* An allocator on sbrk, as old programs bring along, beside malloc. */
#include <unistd.h>
#include "subject.h"

int main(void)
{
    char *start = sbrk(0);
    char *memory = sbrk(100000);
    char *block = malloc(200000);
    memset(memory, 1, 100000);
    memset(block, 2, 200000);
    printf("%d %d %d\n", memory == start, memory[99999], block[199999]);
    free(block);
    return 0;
}
