/* Reads one byte past the end of a block from a place that allocates once. argv: the size. */
/* RUN: 16 -> offset=16 */
/* RUN: 48 -> offset=48 */
/* RUN: 4096 -> offset=4096 */
/* RUN: 65536 -> offset=65536 */
#include "subject.h"

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 10);
    volatile char *block = malloc(size); /* ALLOC */
    KEEP(block);
    volatile char seen = block[size]; /* BUG: heap-buffer-overflow read size=1 */
    (void)seen;
    free((void *)block); /* FREE */
    return 0;
}
