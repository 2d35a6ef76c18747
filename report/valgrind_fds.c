/* Descriptors open at the end, from /proc/PID/fd while the process waits for its last report.
 *
 * The highest first, which mostly is the newest, as memcheck lists them. One that was there before the program, the same file under the
 * same number, is called inherited; where others were opened is not recorded. The library's own are left out: they close on exec, and
 * are the process's own files in /proc or, from OWN on (near the limit where that is lower), sockets, pipes and performance events. */
#include "valgrind_fds.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "render.h"
#include "valgrind.h"

enum { OWN = 960, NEAR_LIMIT = 32, STANDARD = 3 };

struct descriptor {
    int fd;
    dev_t device;
    ino_t inode;
    bool closes;                /* on exec */
    char name[PATH_MAX];        /* what /proc says it is */
};

struct valgrind_inherited {
    struct descriptor *list;
    size_t n;
};

static int highest_first(const void *a, const void *b)
{
    return ((const struct descriptor *)b)->fd - ((const struct descriptor *)a)->fd;
}

/* The word "flags:" of fdinfo, octal. */
static bool closes_on_exec(const char *process, int fd)
{
    char path[64], line[128];
    unsigned flags = 0;
    snprintf(path, sizeof path, "/proc/%s/fdinfo/%d", process, fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "flags: %o", &flags) == 1)
            break;
    if (file)
        fclose(file);
    return flags & O_CLOEXEC;
}

/* Every descriptor of a process ("self" or its number), the highest first. Returns how many; -1: they cannot be read. */
static long descriptors_of(const char *process, struct descriptor **list)
{
    char path[300];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%s/fd", process);
    DIR *folder = opendir(path);
    *list = NULL;
    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat status;
        int fd = atoi(entry->d_name);
        if (!isdigit((unsigned char)entry->d_name[0]) || (strcmp(process, "self") == 0 && fd == dirfd(folder)))
            continue;
        *list = memory_resize(*list, n + 1, sizeof **list);
        struct descriptor *descriptor = &(*list)[n];
        memset(descriptor, 0, sizeof *descriptor);
        snprintf(path, sizeof path, "/proc/%s/fd/%s", process, entry->d_name);
        ssize_t got = readlink(path, descriptor->name, sizeof descriptor->name - 1);
        if (got < 0)
            continue;           /* closed meanwhile */
        descriptor->fd = fd;
        descriptor->closes = closes_on_exec(process, fd);
        if (stat(path, &status) == 0) {
            descriptor->device = status.st_dev;
            descriptor->inode = status.st_ino;
        }
        n++;
    }
    closedir(folder);
    if (n)
        qsort(*list, n, sizeof **list, highest_first);
    return (long)n;
}

struct valgrind_inherited *valgrind_inherited(void)
{
    struct valgrind_inherited *inherited = memory_new(1, sizeof *inherited);
    long n = descriptors_of("self", &inherited->list);
    inherited->n = n > 0 ? (size_t)n : 0;
    return inherited;
}

static bool is_inherited(const struct valgrind_inherited *inherited, const struct descriptor *descriptor)
{
    for (size_t i = 0; inherited && i < inherited->n; i++) {
        const struct descriptor *before = &inherited->list[i];
        if (before->fd == descriptor->fd && before->device == descriptor->device && before->inode == descriptor->inode && !before->closes)
            return true;
    }
    return false;
}

static bool is_own(const struct descriptor *descriptor, const char *process, long least)
{
    static const char *const kinds[] = {"socket:", "pipe:", "anon_inode:[perf_event]"};
    size_t n = strlen(process);
    if (descriptor->closes && strncmp(descriptor->name, "/proc/", 6) == 0 && strncmp(descriptor->name + 6, process, n) == 0
        && descriptor->name[6 + n] == '/')
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (descriptor->fd >= least && descriptor->closes && strncmp(descriptor->name, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

void valgrind_fds(pid_t pid, const struct valgrind_style *style, FILE *out)
{
    struct descriptor *list;
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char process[24];
    snprintf(process, sizeof process, "%d", (int)pid);
    long n = descriptors_of(process, &list), open = 0, standard = 0;
    prlimit(pid, RLIMIT_NOFILE, NULL, &limit);
    long least = limit.rlim_cur > OWN + NEAR_LIMIT ? OWN : limit.rlim_cur > NEAR_LIMIT ? (long)limit.rlim_cur - NEAR_LIMIT / 2 : INT_MAX;
    for (long i = 0; i < n; i++) {
        open += !is_own(&list[i], process, least);
        standard += list[i].fd < STANDARD;
    }
    if (n >= 0)
        fprintf(out, "\nFILE DESCRIPTORS: %ld open (%ld std) at exit.\n", open, standard);
    for (long i = 0; i < n; i++) {
        const struct descriptor *descriptor = &list[i];
        if (is_own(descriptor, process, least) || (descriptor->fd < STANDARD && style->track_fds == VALGRIND_FDS_YES))
            continue;
        fprintf(out, "Open %s %d:", strncmp(descriptor->name, "socket:", 7) == 0 ? "socket" : "file descriptor", descriptor->fd);
        if (descriptor->name[0] == '/') {
            fputc(' ', out);
            render_escaped(descriptor->name, strlen(descriptor->name), out);
        }
        fputs(is_inherited(style->inherited, descriptor) ? "\n   <inherited from parent>\n\n" : "\n   <opened by the program>\n\n", out);
    }
    free(list);
}
