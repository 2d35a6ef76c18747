/* reallocarray whose product overflows; the old block stays. */
/* ORACLE: none */
#include "subject.h"

int main(void)
{
    size_t count = (size_t)1 << 40, size = (size_t)1 << 30;
    KEEP(count);
    KEEP(size);
    char *kept = malloc(10);
    strcpy(kept, "kept");
    void *block = reallocarray(kept, count, size); /* BUG: bad-allocation-size call */
    KEEP(block);
    puts(kept);
    free(kept);
    return block != NULL;
}
