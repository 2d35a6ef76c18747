/* Writes behind a block and in front of it, then frees it: two mistakes, and whichever is found first does not hide the other. The
 * first blocks of a site stand between page guards in turn, so the same lines meet each kind of guard. argv: size, number of
 * blocks allocated before at the same place. */
/* RUN: 10 0 -> count=1 */
/* RUN: 16 0 -> count=1 */
/* RUN: 10 1 -> count=1 */
/* RUN: 10 200 -> count=1 */
/* RUN: 5000 0 -> count=1 */
#include "subject.h"

static NOINLINE char *give(size_t size)
{
    char *block = malloc(size); /* ALLOC */
    KEEP(block);
    return block;
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 10);
    for (int i = atoi(argv[2]); i > 0; i--)
        free(give(size));
    char *block = give(size);
    ((volatile char *)block)[size] = 'A'; /* BUG: heap-buffer-overflow write size=1 */
    ((volatile char *)block)[-1] = 'B'; /* BUG: heap-buffer-underflow write offset=-1 size=1 */
    free(block); /* FREE */
    return 0;
}
