/* Frees an address inside a block. argv: size of the block, distance from its start. */
/* RUN: 64 1 -> offset=1 */
/* RUN: 64 8 -> offset=8 */
/* RUN: 64 16 -> offset=16 */
/* RUN: 64 63 -> offset=63 */
/* RUN: 10000 4096 -> offset=4096 */
/* RUN: 300000 65536 -> offset=65536 */
/* RUN: 3145728 1048576 -> offset=1048576 */
#include "subject.h"

int main(int argc, char **argv)
{
    char *block = malloc(strtoul(argv[1], NULL, 10)); /* ALLOC */
    char *inside = block + strtoul(argv[2], NULL, 10);
    KEEP(inside);
    free(inside); /* BUG: interior-free free */
    free(block);
    return 0;
}
