/* A product of count and size that overflows. */
/* ORACLE: none */
#include "subject.h"

int main(void)
{
    size_t count = (size_t)1 << 33, size = (size_t)1 << 33;
    KEEP(count);
    KEEP(size);
    void *block = calloc(count, size); /* BUG: bad-allocation-size call */
    KEEP(block);
    return block != NULL;
}
