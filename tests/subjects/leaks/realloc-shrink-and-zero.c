/* realloc to less keeps the block; realloc(p, 0) frees it. */
#include "subject.h"

static NOINLINE void work(void)
{
    char *kept = malloc(5000);
    KEEP(kept);
    kept = realloc(kept, 10); /* LEAK: definite 10 bytes 1 block */
    KEEP(kept);
    char *gone = malloc(100);
    KEEP(gone);
    gone = realloc(gone, 0);
    KEEP(gone);
}

int main(void)
{
    work();
    scrub();
    return 0;
}
