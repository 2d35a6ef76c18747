/* The oldest one: room for the letters, none for the NUL. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(int argc, char **argv)
{
    (void)argc;
    const char *name = "a name of some length";
    char *copy = malloc(strlen(name)); /* ALLOC */
    KEEP(copy);
    strcpy(copy, argv[0] ? name : ""); /* BUG: heap-buffer-overflow write offset=21 size=1 */
    KEEP(copy);
    free(copy);
    return 0;
}
