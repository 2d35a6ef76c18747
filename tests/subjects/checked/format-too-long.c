/* sprintf of a number that has one digit more than was thought. */
/* FLAGS: -fno-builtin -Wno-format-overflow */
#include "subject.h"

int main(void)
{
    int number = 100000;
    char *text = malloc(8); /* ALLOC */
    KEEP(text);
    KEEP(number);
    sprintf(text, "n=%d", number); /* BUG: heap-buffer-overflow write offset=8 size=1 */
    KEEP(text);
    free(text);
    return 0;
}
