/* Runs a command and writes what it used to descriptor 3: `wall seconds`, `cpu seconds`, `peak bytes`, `status n`,
 * `ended seconds` (of CLOCK_MONOTONIC, so that a workload can say how long ago its own end was).
 *
 * The kernel's peak resident set of a process counts the image it was forked from as well. So the forking is done here, by a
 * process that is smaller than any that is measured. Processor time and peak cover all descendants that were waited for. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec begun, ended;
    struct rusage usage;
    int status;
    if (argc < 2)
        return 2;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pid_t pid = vfork();
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return 125;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    dprintf(3, "wall %.6f\ncpu %.6f\npeak %ld\nstatus %d\nended %.6f\n", (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9,
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
            usage.ru_maxrss * 1024L, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
            (double)ended.tv_sec + (double)ended.tv_nsec / 1e9);
    return 0;
}
