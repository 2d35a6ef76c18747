/* sscanf %d stores an int where there is a short. */
/* FLAGS: -fno-builtin -Wno-format */
#include "subject.h"

int main(void)
{
    short *number = malloc(sizeof *number); /* ALLOC */
    KEEP(number);
    sscanf("300", "%d", (int *)(void *)number); /* BUG: heap-buffer-overflow write offset=2 size=2 */
    KEEP(number);
    free(number);
    return 0;
}
