/* Reallocates a block that was freed: refused with NULL, the program goes on. */
#include "subject.h"

int main(void)
{
    char *block = malloc(50); /* ALLOC */
    char *stale = block;
    KEEP(stale);
    free(block); /* FREE */
    char *moved = realloc(stale, 100); /* BUG: double-free free offset=0 */
    KEEP(moved);
    printf("%s\n", moved ? "moved" : "refused");
    free(moved);
    return 0;
}
