/* read() is allowed more than the array has, and gets it. */
/* FLAGS: -fno-builtin -fno-stack-protector */
#include "subject.h"

#include <unistd.h>

static NOINLINE void take(int fd)
{
    char line[24];
    ssize_t got = read(fd, line, 256); /* BUG: stack-buffer-overflow write */
    exit(got == 160 ? 0 : 1);
}

int main(void)
{
    int ends[2];
    static char much[160];
    if (pipe(ends) || write(ends[1], much, sizeof much) != sizeof much)
        return 1;
    take(ends[0]);
    return 0;
}
