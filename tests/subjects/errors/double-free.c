/* Frees a block twice. argv: its size. */
/* RUN: 0 */
/* RUN: 24 */
/* RUN: 1000 */
/* RUN: 5000 */
/* RUN: 200000 */
/* RUN: 3145728 */
#include "subject.h"

int main(int argc, char **argv)
{
    void *block = malloc(strtoul(argv[1], NULL, 10)); /* ALLOC */
    void *again = block;
    KEEP(block);
    KEEP(again);
    free(block); /* FREE */
    free(again); /* BUG: double-free free offset=0 */
    return 0;
}
