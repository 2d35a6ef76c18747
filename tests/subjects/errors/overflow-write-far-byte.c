/* One byte some way past the end; what lies between is untouched. argv: size, distance. */
/* RUN: 16 7 -> offset=23 */
/* RUN: 48 3 -> offset=51 */
/* RUN: 100 5 -> offset=105 */
/* RUN: 4096 4 -> offset=4100 */
#include "subject.h"

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 10), distance = strtoul(argv[2], NULL, 10);
    volatile char *block = malloc(size); /* ALLOC */
    KEEP(block);
    block[size + distance] = 'A'; /* BUG: heap-buffer-overflow write size=1 */
    free((void *)block); /* FREE */
    return 0;
}
