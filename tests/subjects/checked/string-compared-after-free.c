/* A key is compared after the map that held it was cleared. */
/* FLAGS: -fno-builtin */
#include "subject.h"

static NOINLINE int equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0; /* BUG: heap-use-after-free read offset=0 */
}

int main(void)
{
    char *key = strdup("key"); /* ALLOC */
    free(key); /* FREE */
    KEEP(key);
    return equal("key", key) ? 3 : 0;
}
