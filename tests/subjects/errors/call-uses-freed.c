/* A libc function is given a freed block. argv: which. */
/* FLAGS: -Wno-all -fno-builtin */
#include <fcntl.h>
#include <unistd.h>
#include "subject.h"

static char room[200];

static NOINLINE void use(char *block, const char *which)
{
    int fd = open("/dev/zero", O_RDONLY);
#define WHEN(name) if (!strcmp(which, #name))
    WHEN(memcpy) memcpy(room, block, 30); /* BUG: heap-use-after-free read run=memcpy offset=0 */
    WHEN(memset) memset(block, 0, 30); /* BUG: heap-use-after-free write run=memset offset=0 */
    WHEN(strlen) room[0] = (char)strlen(block); /* BUG: heap-use-after-free read run=strlen offset=0 */
    WHEN(strcpy) strcpy(block + 5, "text"); /* BUG: heap-use-after-free write run=strcpy offset=5 */
    WHEN(printf) printf("%s", block); /* BUG: heap-use-after-free read run=printf offset=0 */
    WHEN(read) room[0] = (char)read(fd, block, 10); /* BUG: heap-use-after-free write run=read offset=0 */
}

/* RUN: memcpy */ /* RUN: memset */ /* RUN: strlen */ /* RUN: strcpy */ /* RUN: printf */ /* RUN: read */
int main(int argc, char **argv)
{
    char *block = malloc(40); /* ALLOC */
    KEEP(block);
    memset(block, 0, 40);
    free(block); /* FREE */
    use(block, argv[1]);
    return 0;
}
