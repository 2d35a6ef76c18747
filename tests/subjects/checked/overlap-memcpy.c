/* A line is moved to the front of its buffer with memcpy. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *line = malloc(100); /* ALLOC */
    memset(line, 'l', 100);
    KEEP(line);
    memcpy(line, line + 10, 90); /* BUG: overlapping-copy call offset=0 size=80 */
    free(line);
    return 0;
}
