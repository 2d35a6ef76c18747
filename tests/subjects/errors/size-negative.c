/* A length that went negative is given to malloc. argv: how much below zero. */
/* FLAGS: -Wno-alloc-size-larger-than */
/* RUN: 1 */
/* RUN: 1000 */
/* RUN: 9223372036854775807 */
#include "subject.h"

int main(int argc, char **argv)
{
    size_t size = 0 - strtoul(argv[1], NULL, 10);
    KEEP(size);
    void *block = malloc(size); /* BUG: bad-allocation-size call */
    KEEP(block);
    return block != NULL;
}
