/* Writes just before the block, then frees it. argv: size of the block, how many bytes before it. */
/* RUN: 16 1 -> offset=-1 size=1 */
/* RUN: 0 1 -> offset=-1 size=1 */
/* RUN: 1 8 -> offset=-8 size=8 */
/* RUN: 48 8 -> offset=-8 size=8 */
/* RUN: 48 16 -> offset=-16 size=16 */
/* RUN: 4096 1 -> offset=-1 size=1 */
/* RUN: 100000 8 -> offset=-8 size=8 */
/* RUN: 3145728 1 -> offset=-1 size=1 */
#include "subject.h"

static NOINLINE void underrun(char *block, int before)
{
    for (int i = -before; i < 0; i++)
        ((volatile char *)block)[i] = 'A'; /* BUG: heap-buffer-underflow write */
}

int main(int argc, char **argv)
{
    char *block = malloc(strtoul(argv[1], NULL, 10)); /* ALLOC */
    KEEP(block);
    underrun(block, atoi(argv[2]));
    free(block); /* FREE */
    return 0;
}
