/* printf gets a string that was freed. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *name = strdup("gone"); /* ALLOC */
    free(name); /* FREE */
    KEEP(name);
    printf("%d: %.4s\n", 7, name); /* BUG: heap-use-after-free read offset=0 */
    return 0;
}
