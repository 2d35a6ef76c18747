/* strcat: both fit alone. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *path = malloc(12); /* ALLOC */
    strcpy(path, "/usr/lib");
    KEEP(path);
    strcat(path, "/share"); /* BUG: heap-buffer-overflow write offset=12 size=3 */
    KEEP(path);
    free(path);
    return 0;
}
