/* One loop around pread(): short reads go on, interrupted ones begin again, the end of the file and errors end it. */
#include "file_read.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

size_t file_read(int fd, uint64_t offset, void *buffer, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)buffer + done, n - done, (off_t)(offset + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            break;
    }
    return done;
}
