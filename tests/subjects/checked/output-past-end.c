/* write() sends what lies behind the block; the call itself goes on as it would without the tool, also into a guard page. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#include <fcntl.h>
#include <unistd.h>

int main(void)
{
    int fd = open("/dev/null", O_WRONLY);
    char *block = malloc(128); /* ALLOC */
    memset(block, 'o', 128);
    KEEP(block);
    ssize_t sent = write(fd, block, 200); /* BUG: heap-buffer-overflow read offset=128 size=72 */
    free(block);
    return sent == 200 ? 0 : 1;
}
