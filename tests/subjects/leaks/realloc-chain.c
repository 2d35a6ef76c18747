/* A buffer that grows by realloc and is lost: one block, with the line of the last realloc. */
#include "subject.h"

static NOINLINE char *grow(char *buffer, size_t size)
{
    buffer = realloc(buffer, size); /* LEAK: definite 6400 bytes 1 block */
    KEEP(buffer);
    return buffer;
}

static NOINLINE void build(void)
{
    char *buffer = NULL;
    for (size_t size = 100; size <= 6400; size *= 2)
        buffer = grow(buffer, size);
    KEEP(buffer);
}

int main(void)
{
    build();
    scrub();
    return 0;
}
