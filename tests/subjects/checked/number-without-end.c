/* atoi of digits that fill their block. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    char *digits = malloc(4); /* ALLOC */
    memcpy(digits, "1234", 4);
    KEEP(digits);
    int value = atoi(digits); /* BUG: heap-buffer-overflow read offset=4 size=1 */
    free(digits);
    return value == 0;
}
