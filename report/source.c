/* Reading a few lines of a source file.
 *
 * The path comes from debug information, which may say anything: only regular files are opened, and reading stops after
 * MOST_BYTES. Trailing blanks are dropped.
 *
 * Thousands of leaks of one large file would have it read from its start for each: where every STRIDE-th line of the file that was read last
 * begins is kept, and holds as long as the file is the same (by device, number, size and time). For one thread. */
#include "source.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#define MOST_BYTES ((off_t)32 << 20)
#define STRIDE 64u

/* The file that was read last. */
static struct {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec changed;
    off_t *marks;               /* [i]: where line (i + 1) * STRIDE + 1 begins */
    size_t n, room;
} known;

static const char *other_root;

void source_look_under(const char *root)
{
    other_root = root;
}

static int open_source(const char *path)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    char under[PATH_MAX];
    int fd = -1;
    if (other_root && *other_root && *path == '/' && (size_t)snprintf(under, sizeof under, "%s%s", other_root, path) < sizeof under)
        fd = open(under, flags);
    return fd >= 0 ? fd : open(path, flags);
}

/* What is kept is of another file: begins anew. */
static void know(const struct stat *status)
{
    if (known.device == status->st_dev && known.number == status->st_ino && known.size == status->st_size
        && known.changed.tv_sec == status->st_mtim.tv_sec && known.changed.tv_nsec == status->st_mtim.tv_nsec)
        return;
    known.device = status->st_dev;
    known.number = status->st_ino;
    known.size = status->st_size;
    known.changed = status->st_mtim;
    known.n = 0;
}

static void mark(size_t line, off_t at)
{
    if (line % STRIDE != 1 || line / STRIDE != known.n + 1)
        return;
    if (known.n == known.room)
        known.marks = memory_resize(known.marks, known.room = known.room ? 2 * known.room : 64, sizeof *known.marks);
    known.marks[known.n++] = at;
}

/* The same as source_read of an open file; the lines are empty. */
static size_t read_lines(int fd, size_t first, size_t n, struct source_line *lines)
{
    size_t nearest = (first - 1) / STRIDE < known.n ? (first - 1) / STRIDE : known.n, line = nearest * STRIDE + 1, got = 0;
    off_t at = nearest ? known.marks[nearest - 1] : 0;
    char text[1 << 14];
    ssize_t filled;
    while (line < first + n && at < MOST_BYTES && (filled = pread(fd, text, sizeof text, at)) > 0) {
        const char *from = text, *end = text + filled;
        while (from < end && line < first + n) {
            const char *newline = memchr(from, '\n', (size_t)(end - from)), *stop = newline ? newline : end;
            if (line >= first) {
                struct source_line *into = &lines[line - first];
                size_t more = (size_t)(stop - from), room = SOURCE_WIDTH - into->length;
                memcpy(into->text + into->length, from, more < room ? more : room);
                into->length += more < room ? more : room;
                got = line - first + 1;
            }
            from = newline ? newline + 1 : end;
            if (newline)
                mark(++line, at + (from - text));
        }
        at += filled;
    }
    return got;
}

size_t source_read(const char *path, unsigned first, size_t n, struct source_line *lines)
{
    struct stat status;
    int fd = open_source(path);
    if (fd < 0)
        return 0;
    bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    for (size_t i = 0; i < n; i++)
        lines[i].length = 0;
    if (regular)
        know(&status);
    size_t got = regular && first ? read_lines(fd, first, n, lines) : 0;
    close(fd);
    for (size_t i = 0; i < got; i++)
        while (lines[i].length && (lines[i].text[lines[i].length - 1] == ' ' || lines[i].text[lines[i].length - 1] == '\r'))
            lines[i].length--;
    return got;
}
