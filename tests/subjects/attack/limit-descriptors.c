/* Hardly any descriptors allowed, and all of them taken when the program ends. */
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "subject.h"

int main(void)
{
    struct rlimit limit = { 10, 10 };
    setrlimit(RLIMIT_NOFILE, &limit);
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    void *block = malloc(100);
    KEEP(block);
    free(block);
    printf("%d\n", last);
    return 0;
}
