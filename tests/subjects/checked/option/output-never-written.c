/* A record of 64 bytes of which 20 are filled in goes out by every way there is. */
#include "subject.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static char *record(void)
{
    char *block = malloc(64);
    memset(block, 'r', 20);
    KEEP(block);
    return block;
}

int main(void)
{
    int fd = open("/dev/null", O_WRONLY), pair[2];
    FILE *file = fopen("/dev/null", "w");
    char *block = record(), *whole = calloc(1, 64);
    struct iovec piece = {block, 64};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    write(fd, block, 64); /* BUG: uninitialised-output read */
    send(pair[0], block, 64, 0); /* BUG: uninitialised-output read */
    writev(fd, &piece, 1); /* BUG: uninitialised-output read */
    fwrite(block, 1, 64, file); /* BUG: uninitialised-output read */
    write(fd, block, 20);
    write(fd, block, 35);       /* fifteen bytes of fill might be a value */
    write(fd, whole, 64);
    memset(block, 0, 64);
    write(fd, block, 64);
    fclose(file);
    free(block);
    free(whole);
    return 0;
}
