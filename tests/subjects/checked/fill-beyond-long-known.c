/* Where small blocks lay that fills went to, so that the checks know the place by heart, smaller ones lie now: the same fill is too long. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#define BLOCKS 20000

static char *blocks[BLOCKS];

int main(void)
{
    for (size_t size = 112; size >= 48; size -= 16) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = malloc(size); /* ALLOC */
            memset(blocks[i], 'a', size);
        }
        KEEP_OBJECT(blocks);
        if (size == 48)
            memset(blocks[BLOCKS / 2], 'b', 64); /* BUG: heap-buffer-overflow write offset=48 size=16 */
        for (int i = 0; i < BLOCKS; i++)
            free(blocks[i]);
    }
    return 0;
}
