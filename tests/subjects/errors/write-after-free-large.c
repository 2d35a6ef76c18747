/* A freed block of megabytes is inaccessible: the write is caught in the act. */
#include "subject.h"

int main(void)
{
    char *block = malloc(5000000); /* ALLOC */
    volatile char *stale = block;
    KEEP(block);
    KEEP(stale);
    free(block); /* FREE */
    stale[4000000] = 1; /* BUG: heap-use-after-free write offset=4000000 detected=access */
    return 0;
}
