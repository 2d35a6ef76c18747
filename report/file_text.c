/* Reading a file of rules or of findings: suppressions, baselines.
 *
 * Whatever the user names must come to an end: a directory is refused, what holds more than such a file can sensibly hold is read no
 * further, and a pipe (a shell's `<(...)`) is waited for, but not for ever. Opening does not wait for a writer. */
#include "file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#define MOST ((size_t)64 << 20)
#define FIRST ((size_t)16 << 10)
#define PATIENCE 10000              /* milliseconds without a byte from a pipe */

/* Waits for more. false: there was none in time. */
static bool wait_for_more(int fd)
{
    int ready;
    do
        ready = poll(&(struct pollfd){fd, POLLIN, 0}, 1, PATIENCE);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static const char *read_all(int fd, char **text, size_t *n)
{
    size_t room = 0;
    for (;;) {
        if (*n + 1 >= room)
            *text = memory_resize(*text, room = room ? 2 * room : FIRST, 1);
        ssize_t got = read(fd, *text + *n, room - *n - 1);
        if (got < 0 && errno == EAGAIN) {
            if (!wait_for_more(fd))
                return "nothing came from it for 10 seconds";
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return strerror(errno);
        if (got == 0)
            break;
        *n += (size_t)got;
        if (*n > MOST)
            return "it holds more than 64 MiB";
    }
    (*text)[*n] = 0;
    return NULL;
}

char *file_text(const char *path, size_t *n, const char **why)
{
    char *text = NULL;
    struct stat status;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *why = strerror(errno);
        return NULL;
    }
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        *why = strerror(EISDIR);
    else
        *why = read_all(fd, &text, n);
    close(fd);
    if (!*why)
        return text;
    free(text);
    return NULL;
}
