/* What kind of image an argument names, and opening it.
 *
 * Digits alone are a pid where there is such a process; "./1234" names a file whatever its name is. Files are core files
 * (image_core.c, which refuses what is none: directories, pipes). */
#include "image_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

/* The pid that `name` is; 0: it is none. */
static int pid_of(const char *name)
{
    char *end;
    if (!*name || strspn(name, "0123456789") != strlen(name))
        return 0;
    errno = 0;
    long pid = strtol(name, &end, 10);
    return errno == 0 && pid > 0 && pid <= INT32_MAX ? (int)pid : 0;
}

static struct image *open_process(int pid, struct error *error)
{
    struct image *image = request_snapshot(pid, NULL, error);
    struct timespec now;
    if (image && !image->time && clock_gettime(CLOCK_REALTIME, &now) == 0)
        image->time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return image;
}

static struct image *open_file(const char *name, const struct image_places *places, struct error *error)
{
    struct stat status;
    if (stat(name, &status) != 0) {
        error_set(error, "%s", errno == ENOENT ? "there is no such process or file" : strerror(errno));
        return NULL;
    }
    struct image *image = image_open_core(name, places, error);
    if (image && !image->time)
        image->time = (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
    return image;
}

struct image *image_open(const char *name, const struct image_places *places, struct error *error)
{
    char path[32];
    struct stat status;
    int pid = pid_of(name);
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (pid && (stat(path, &status) == 0 || stat(name, &status) != 0))
        return open_process(pid, error);
    return open_file(name, places, error);
}
