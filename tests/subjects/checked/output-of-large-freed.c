/* A large block is written to a pipe after it was freed: a finding, and the call does not fail with EFAULT. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#include <unistd.h>

int main(void)
{
    int ends[2];
    char *block = malloc(4 << 20); /* ALLOC */
    memset(block, 'o', 4 << 20);
    if (pipe(ends))
        return 1;
    free(block); /* FREE */
    KEEP(block);
    ssize_t sent = write(ends[1], block + 100000, 20000); /* BUG: heap-use-after-free read offset=100000 size=20000 */
    return sent == 20000 ? 0 : 1;
}
