/* realpath wants PATH_MAX, and gets the length of the path as it was written. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *path = malloc(6); /* ALLOC */
    KEEP(path);
    if (!realpath("/usr/share/../share/.", path)) /* BUG: heap-buffer-overflow write offset=6 size=5 */
        return 1;
    int same = path[4] != 0x2f;
    free(path);
    return same;
}
