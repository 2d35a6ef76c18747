/* Reallocates an address inside a block. */
#include "subject.h"

static char *block;

int main(void)
{
    block = malloc(64); /* ALLOC */
    char *inside = block + 32;
    KEEP(inside);
    inside = realloc(inside, 100); /* BUG: interior-free free offset=32 */
    KEEP(inside);
    return 0;
}
