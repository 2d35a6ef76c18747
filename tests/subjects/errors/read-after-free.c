/* Reads a freed block. argv: its size, and where. */
/* RUN: 16 0 -> offset=0 */
/* RUN: 40 39 -> offset=39 */
/* RUN: 5000 100 -> offset=100 */
/* RUN: 3145728 1000000 -> offset=1000000 */
#include "subject.h"

int main(int argc, char **argv)
{
    char *block = malloc(strtoul(argv[1], NULL, 10)); /* ALLOC */
    volatile char *stale = block;
    KEEP(block);
    KEEP(stale);
    free(block); /* FREE */
    volatile char seen = stale[strtoul(argv[2], NULL, 10)]; /* BUG: heap-use-after-free read */
    (void)seen;
    return 0;
}
