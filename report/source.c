/* Reading a few lines of a source file.
 *
 * The path comes from debug information, which may say anything: only regular files are opened, and reading stops after
 * MOST_BYTES. Trailing blanks are dropped. */
#include "source.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)32 << 20)

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

size_t source_read(const char *path, unsigned first, size_t n, struct source_line *lines)
{
    struct stat status;
    int fd = open_source(path);
    if (fd < 0)
        return 0;
    FILE *file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? fdopen(fd, "r") : NULL;
    if (!file) {
        close(fd);
        return 0;
    }
    size_t line = 1, got = 0, bytes = 0;
    for (size_t i = 0; i < n; i++)
        lines[i].length = 0;
    for (int c; (c = getc_unlocked(file)) != EOF && line < first + n && bytes < MOST_BYTES; bytes++) {
        if (line >= first) {
            struct source_line *at = &lines[line - first];
            got = line - first + 1;
            if (c != '\n' && at->length < SOURCE_WIDTH)
                at->text[at->length++] = (char)c;
        }
        line += c == '\n';
    }
    fclose(file);
    for (size_t i = 0; i < got; i++)
        while (lines[i].length && (lines[i].text[lines[i].length - 1] == ' ' || lines[i].text[lines[i].length - 1] == '\r'))
            lines[i].length--;
    return got;
}
