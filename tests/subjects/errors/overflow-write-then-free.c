/* Writes past the end of a block, then frees it. argv: size of the block, bytes written past it. */
/* RUN: 0 1 */
/* RUN: 1 1 */
/* RUN: 15 1 */
/* RUN: 16 1 */
/* RUN: 17 1 */
/* RUN: 48 1 */
/* RUN: 4096 1 */
/* RUN: 100000 1 */
/* RUN: 3145728 1 */
/* RUN: 15 8 */
/* RUN: 48 8 */
/* RUN: 100000 8 */
/* RUN: 3145728 8 */
/* RUN: 16 64 */
/* RUN: 17 64 */
/* RUN: 4096 64 */
/* RUN: 3145728 64 */
#include "subject.h"

static NOINLINE void overrun(char *block, size_t size, size_t past)
{
    for (size_t i = 0; i < past; i++)
        ((volatile char *)block)[size + i] = 'A'; /* BUG: heap-buffer-overflow write */
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 10), past = strtoul(argv[2], NULL, 10);
    char *block = malloc(size); /* ALLOC */
    KEEP(block);
    overrun(block, size, past);
    free(block); /* FREE */
    return 0;
}
