/* snprintf is told the size of another buffer. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *text = malloc(10); /* ALLOC */
    KEEP(text);
    snprintf(text, 64, "%s, %s", "twelve", "letters"); /* BUG: heap-buffer-overflow write offset=10 size=6 */
    KEEP(text);
    free(text);
    return 0;
}
