/* Looking at a process before it is sent a signal.
 *
 *   /proc/PID/maps     a mapping that tells which signal the library listens to (format/wire.h). What may be read here does
 *                      not depend on the right to trace (kernel.yama.ptrace_scope), but on user and dumpability
 *   /proc/PID/status   SigCgt: that signal has a handler still. Without one it would end the process
 *   …/task/TID/status  which threads do not block it, and which of them run or sleep: one that is stopped cannot answer */
#include "request_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/wire.h"
#include "memory.h"

struct status {
    char state;
    uint64_t caught, blocked;
    int tracer, seccomp;
};

/* task 0: the process. */
static bool read_status(int pid, int task, struct status *status)
{
    char path[64], line[256];
    unsigned long long word;
    if (task)
        snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, task);
    else
        snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    memset(status, 0, sizeof *status);
    while (fgets(line, sizeof line, in)) {
        if (sscanf(line, "SigCgt: %llx", &word) == 1)
            status->caught = word;
        else if (sscanf(line, "SigBlk: %llx", &word) == 1)
            status->blocked = word;
        else if (sscanf(line, "State: %c", &status->state) != 1 && sscanf(line, "TracerPid: %d", &status->tracer) != 1)
            sscanf(line, "Seccomp: %d", &status->seccomp);
    }
    fclose(in);
    return status->state != 0;
}

/* The signals that mappings tell, as a set; 0: none does; -1: errno. */
static int published_signals(int pid, uint64_t *signals)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *in = fopen(path, "re");
    *signals = 0;
    if (!in)
        return -1;
    char *line = NULL;
    size_t room = 0;
    errno = 0;
    while (getline(&line, &room, in) > 0) {
        unsigned long long start, end, offset;
        int at = 0;
        if (sscanf(line, "%llx-%llx ---s %llx %*s %*s %n", &start, &end, &offset, &at) != 3 || !at || end <= start)
            continue;
        const char *name = strrchr(line + at, '/');
        size_t n = strlen(WIRE_LIBRARY);
        if (!name || strncmp(name, WIRE_LIBRARY, n) != 0 || (name[n] != '\n' && strcmp(name + n, " (deleted)\n") != 0))
            continue;
        unsigned long long number = offset / (end - start);
        if (number > 0 && number <= 64)
            *signals |= 1ull << (number - 1);
    }
    int trouble = ferror(in) ? errno : 0;
    free(line);
    fclose(in);
    errno = trouble;
    return trouble ? -1 : 0;
}

bool target_look(struct target *target, int pid, struct error *error)
{
    struct status status;
    memset(target, 0, sizeof *target);
    target->pid = pid;
    if (!read_status(pid, 0, &status)) {
        error_set(error, "there is no process %d", pid);
        return false;
    }
    if (status.state == 'Z' || status.state == 'X') {
        error_set(error, "process %d has ended", pid);
        return false;
    }
    target->state = status.state;
    target->tracer = status.tracer;
    target->sandboxed = status.seccomp > 0;
    uint64_t signals;
    if (published_signals(pid, &signals) < 0) {
        error_set(error, "process %d may not be looked at: %s", pid, strerror(errno));
        return false;
    }
    signals &= status.caught;
    if (signals)    /* the real-time signal is the higher number */
        target->signal = target->tracer ? __builtin_ctzll(signals) + 1 : 64 - __builtin_clzll(signals);
    return true;
}

bool target_tracer_runs(const struct target *target)
{
    struct status status;
    return target->tracer && read_status(target->tracer, 0, &status) && status.state != 'S' && status.state != 'T';
}

/* Sooner is less; 0: not at all. */
static int rank_of(const struct status *status, int signal)
{
    if (status->blocked & 1ull << (signal - 1))
        return 0;
    switch (status->state) {
    case 'S': return 1;     /* seldom inside the heap, and woken at once */
    case 'R': return 2;
    case 'D': return 3;
    default: return 0;
    }
}

struct candidate {
    int tid, rank;
};

static int by_rank(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return a->rank != b->rank ? a->rank - b->rank : a->tid - b->tid;
}

int *target_threads(const struct target *target, size_t *n)
{
    char path[64];
    struct candidate *candidates = NULL;
    struct dirent *entry;
    size_t count = 0;
    *n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", target->pid);
    DIR *tasks = opendir(path);
    while (tasks && (entry = readdir(tasks))) {
        struct status status;
        int tid = atoi(entry->d_name);
        int rank = tid > 0 && read_status(target->pid, tid, &status) ? rank_of(&status, target->signal) : 0;
        if (!rank)
            continue;
        candidates = memory_resize(candidates, count + 1, sizeof *candidates);
        candidates[count++] = (struct candidate){tid, rank};
    }
    if (tasks)
        closedir(tasks);
    if (!count)
        return NULL;
    qsort(candidates, count, sizeof *candidates, by_rank);
    int *tids = memory_new(count, sizeof *tids);
    for (size_t i = 0; i < count; i++)
        tids[i] = candidates[i].tid;
    free(candidates);
    *n = count;
    return tids;
}

int target_socket(const struct target *target, struct error *error)
{
    char path[64];
    struct stat ours, theirs;
    int own = -1;
    snprintf(path, sizeof path, "/proc/%d/ns/net", target->pid);
    bool other = stat("/proc/self/ns/net", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino != theirs.st_ino;
    if (other) {
        int namespace = open(path, O_RDONLY | O_CLOEXEC);
        own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        bool entered = namespace >= 0 && own >= 0 && setns(namespace, CLONE_NEWNET) == 0;
        if (namespace >= 0)
            close(namespace);
        if (!entered) {
            if (own >= 0)
                close(own);
            error_set(error, "process %d is in another network namespace (a container), which only root may enter: run midden inside it, or as root",
                      target->pid);
            return -1;
        }
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        error_set(error, "no socket to be had: %s", strerror(errno));
    if (other && setns(own, CLONE_NEWNET) != 0 && fd >= 0) {
        error_set(error, "the network namespace of process %d cannot be left: %s", target->pid, strerror(errno));
        close(fd);
        fd = -1;
    }
    if (own >= 0)
        close(own);
    return fd;
}
