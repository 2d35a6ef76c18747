/* The block moved; the old address is freed as well. */
#include "subject.h"

int main(void)
{
    char *block = malloc(64); /* ALLOC */
    char *stale = block;
    KEEP(stale);
    block = realloc(block, 100000); /* FREE */
    KEEP(block);
    free(stale); /* BUG: double-free free offset=0 */
    free(block);
    return 0;
}
