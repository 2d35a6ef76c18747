/* Writing a dump, from first to last:
 *
 *   1. which parts of memory go into it (dump_plan.c), and the notes that describe threads and files (dump_notes.c)
 *   2. a new file beside the one that is wanted, that nobody else can have prepared (O_EXCL, O_NOFOLLOW), mode 0600
 *   3. the bytes, by several threads (dump_copy.c)
 *   4. fsync, rename, fsync of the directory
 *
 * Whoever sees the name sees a whole dump. When the disk is full, or a limit on the size of files is reached, the new file is
 * taken away again and the old one, if there was one, is as it was. */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dump_mask.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* false: something stands at `path` that must not be replaced. */
static bool may_replace(const char *path, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) != 0) {
        if (errno == ENOENT)
            return true;
        error_set(error, "%s", strerror(errno));
    } else if (S_ISREG(status.st_mode)) {
        return true;
    } else if (S_ISLNK(status.st_mode)) {
        error_set(error, "it is a symbolic link, and dumps are not written through one");
    } else {
        error_set(error, S_ISDIR(status.st_mode) ? "it is a directory" : "it is no regular file");
    }
    return false;
}

/* Creates the file that is written first; its name goes to part[PATH_MAX]. -1: *error. */
static int open_part(const char *path, char *part, struct error *error)
{
    for (unsigned i = 0; i < 100; i++) {
        int n = snprintf(part, PATH_MAX, "%s.part.%d.%u", path, (int)getpid(), i);
        if (n < 0 || n >= PATH_MAX) {
            error_set(error, "%s", strerror(ENAMETOOLONG));
            return -1;
        }
        int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd >= 0 || errno != EEXIST) {
            if (fd < 0)
                error_set(error, "%s", strerror(errno));
            else
                fchmod(fd, 0600);       /* whatever the umask took away */
            return fd;
        }
    }
    error_set(error, "%s", strerror(EEXIST));
    return -1;
}

/* The new name, too, is to survive a power failure. Nothing is lost where a directory cannot be flushed. */
static void sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool dump_write(const struct image *image, struct records *records, const char *path, const struct dump_options *options,
                struct dump_result *result, struct error *error)
{
    static const struct dump_options plain;
    struct dump_plan plan;
    struct dump_result ignored;
    struct dump_mask *mask = NULL;
    char part[PATH_MAX];
    if (!options)
        options = &plain;
    if (!result)
        result = &ignored;
    double start = now();
    if (!may_replace(path, error))
        return false;
    if (options->without_contents && !(mask = dump_mask_new(image, records, error)))
        return false;
    int fd = open_part(path, part, error);
    if (fd < 0) {
        dump_mask_free(mask);
        return false;
    }
    /* A limit on the size of files is an error like a full disk, not the end of the agent. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGXFSZ, &ignore, &before);
    dump_plan_make(&plan, image, records, mask);
    result->bytes = plan.total;
    int failure = dump_copy(&plan, fd, options, &result->written);
    result->seconds = now() - start;
    if (!failure && fsync(fd) != 0)
        failure = errno;
    if (close(fd) != 0 && !failure)
        failure = errno;
    sigaction(SIGXFSZ, &before, NULL);
    if (!failure && rename(part, path) != 0)
        failure = errno;
    if (failure) {
        unlink(part);
        error_set(error, "%s", strerror(failure));
    } else {
        sync_directory(path);
    }
    result->synced = now() - start;
    dump_plan_free(&plan);
    dump_mask_free(mask);
    return failure == 0;
}
