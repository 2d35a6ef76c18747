/* One lost block from each allocation function of C. */
#include <malloc.h>
#include <wchar.h>
#include "subject.h"

static NOINLINE void lose(void)
{
    void *block = malloc(1); /* LEAK: definite 1 bytes 1 block */
    KEEP(block);
    block = calloc(3, 7); /* LEAK: definite 21 bytes 1 block */
    KEEP(block);
    block = NULL;
    KEEP(block);
    block = realloc(block, 31); /* LEAK: definite 31 bytes 1 block */
    KEEP(block);
    block = memalign(64, 41); /* LEAK: definite 41 bytes 1 block */
    KEEP(block);
    block = aligned_alloc(128, 256); /* LEAK: definite 256 bytes 1 block */
    KEEP(block);
    if (posix_memalign(&block, 256, 61)) /* LEAK: definite 61 bytes 1 block */
        abort();
    KEEP(block);
    block = valloc(71); /* LEAK: definite 71 bytes 1 block */
    KEEP(block);
    block = strdup("eight bytes"); /* LEAK: definite 12 bytes 1 block */
    KEEP(block);
    block = strndup("eight bytes", 5); /* LEAK: definite 6 bytes 1 block */
    KEEP(block);
    block = wcsdup(L"wide"); /* LEAK: definite 20 bytes 1 block */
    KEEP(block);
    block = malloc(0); /* LEAK: definite 0 bytes 1 block */
    KEEP(block);
}

int main(void)
{
    lose();
    scrub();
    return 0;
}
