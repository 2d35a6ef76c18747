/* The same mistake a thousand times is one finding. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    for (int i = 0; i < 1000; i++) {
        char *block = malloc(32); /* ALLOC */
        KEEP(block);
        memset(block, i, 40); /* BUG: heap-buffer-overflow write offset=32 size=8 count=1000 */
        free(block);
    }
    return 0;
}
