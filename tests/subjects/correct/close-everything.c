/* Closes every descriptor it does not know, counts on open() giving the lowest, and lists its own. */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include "subject.h"

int main(void)
{
    int first = open("/dev/null", O_RDONLY);
    printf("%d\n", first);
    for (int fd = 3; fd < 100000; fd++)
        close(fd);
    close_range(3, ~0u, 0);
    int again = open("/dev/null", O_RDONLY), second = dup(again);
    printf("%d %d\n", again, second);
    char *block = malloc(100);
    KEEP(block);
    free(block);
    int count = 0;
    DIR *self = opendir("/proc/self/fd");
    while (readdir(self))
        count++;
    closedir(self);
    printf("%d\n", count);
    return 0;
}
