/* Leading spaces are cut off with strcpy, in a buffer on the stack. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char line[40] = "  two spaces in front";
    char *first = line + 2;
    KEEP(first);
    strcpy(line, first); /* BUG: overlapping-copy call size=18 */
    KEEP_OBJECT(line);
    return 0;
}
