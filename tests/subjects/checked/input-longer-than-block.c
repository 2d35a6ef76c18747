/* read() is allowed 64 bytes and gets 24; the block has 16. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#include <unistd.h>

int main(void)
{
    int ends[2];
    char *block = malloc(16); /* ALLOC */
    if (pipe(ends) || write(ends[1], "four and twenty letters.", 24) != 24)
        return 1;
    KEEP(block);
    ssize_t got = read(ends[0], block, 64); /* BUG: heap-buffer-overflow write offset=16 size=8 */
    KEEP(block);
    free(block);
    return got == 24 ? 0 : 1;
}
