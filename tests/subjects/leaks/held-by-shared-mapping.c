/* Held by shared memory, anonymous and of a file. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>
#include "subject.h"

static NOINLINE int hold(void)
{
    int fd = memfd_create("held", 0);
    if (fd < 0 || ftruncate(fd, 1 << 16) != 0)
        return 1;
    void **anonymous = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void **file = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (anonymous == MAP_FAILED || file == MAP_FAILED)
        return 1;
    anonymous[700] = malloc(81); /* LEAK: reachable 81 bytes 1 block */
    file[8000] = malloc(82); /* LEAK: reachable 82 bytes 1 block */
    return 0;
}

int main(void)
{
    int failed = hold();
    scrub();
    return failed;
}
