/* A byte past the end of blocks with alignments of their own. argv: alignment, size. */
/* RUN: 32 40 -> offset=40 */
/* RUN: 64 64 -> offset=64 */
/* RUN: 4096 100 -> offset=100 */
/* RUN: 4096 8192 -> offset=8192 */
/* RUN: 65536 70000 -> offset=70000 */
#include "subject.h"

int main(int argc, char **argv)
{
    size_t align = strtoul(argv[1], NULL, 10), size = strtoul(argv[2], NULL, 10);
    void *block = NULL;
    if (posix_memalign(&block, align, size) != 0) /* ALLOC */
        return 1;
    KEEP(block);
    ((volatile char *)block)[size] = 'A'; /* BUG: heap-buffer-overflow write size=1 */
    free(block); /* FREE */
    return 0;
}
