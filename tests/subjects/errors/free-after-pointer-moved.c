/* The loop variable is the pointer, and is what gets freed in the end. */
#include "subject.h"

static char *block;

int main(void)
{
    block = strdup("count my letters"); /* ALLOC */
    char *p = block;
    while (*p != 'l')
        p++;
    KEEP(p);
    free(p); /* BUG: interior-free free offset=9 */
    return 0;
}
