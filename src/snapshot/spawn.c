/* A helper without an exit signal forks the agent and leaves.
 *
 *   program ─clone, no exit signal─▶ helper ─clone─▶ agent ─execve─▶ midden agent
 *      │                               │ sends the agent's pid through the socket, _exit
 *      └──── wait4(helper, __WALL) ◀───┘
 *
 * The agent's parent is then init or a subreaper, not the program. (execve would give a child of ours its SIGCHLD back, which is
 * why one step is not enough.) Between the clones and the execve only raw system calls run, on copies of this thread alone. */
#include "snapshot/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"

#define MOST_ENVIRONMENT 4096   /* variables handed to the agent */

static int helper_pid;          /* atomic; 0: none */

extern char **environ;

bool spawn_owns_pid(int pid)
{
    return pid > 0 && pid == __atomic_load_n(&helper_pid, __ATOMIC_RELAXED);
}

static bool starts_with(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return false;
    return true;
}

/* fork by raw clone: the child has a copy of this thread only, runs no handlers and, with signal 0, tells nobody of its end. A
 * debugger does not follow it: one takes a child without exit signal for a thread. */
static long raw_fork(int exit_signal)
{
    return kernel_call(SYS_clone, exit_signal | CLONE_UNTRACED, 0, 0, 0, 0, 0);
}

static void leave(int status)
{
    for (;;)
        kernel_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void become_agent(const char *command, const char *options, int fd)
{
    char fd_argument[32];
    char *arguments[] = {(char *)(uintptr_t)"midden", (char *)(uintptr_t)"agent", fd_argument, NULL, NULL};
    print_format(fd_argument, sizeof fd_argument, "--fd=%d", fd);
    if (options) {
        size_t n = memory_length(options);
        char *argument = memory_keep(n + 11, 1);
        if (argument) {
            memory_copy(argument, "--options=", 10);
            memory_copy(argument + 10, options, n + 1);
            arguments[3] = argument;
        }
    }
    /* The agent is no program to be checked: no preloads, ours or others'. */
    char *environment[MOST_ENVIRONMENT + 1];
    unsigned n = 0;
    for (char **entry = environ; entry && *entry && n < MOST_ENVIRONMENT; entry++)
        if (!starts_with(*entry, "LD_PRELOAD=") && !starts_with(*entry, "MIDDEN_"))
            environment[n++] = *entry;
    environment[n] = NULL;

    kernel_call(SYS_setsid, 0, 0, 0, 0, 0, 0);      /* a terminal's signals are the program's */
    unsigned long none = 0;
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&none, 0, 8, 0, 0);
    kernel_call(SYS_fcntl, fd, F_SETFD, 0, 0, 0, 0);
    long error = kernel_call(SYS_execve, (long)(uintptr_t)command, (long)(uintptr_t)arguments,
                             (long)(uintptr_t)environment, 0, 0, 0);
    int32_t reply = (int32_t)error;
    kernel_call(SYS_sendto, fd, (long)(uintptr_t)&reply, sizeof reply, MSG_NOSIGNAL, 0, 0);
    leave(127);
}

long spawn_agent(const char *command, const char *options, int *pid)
{
    int pair[2];
    if (!command)
        return -ENOENT;
    long error = kernel_call(SYS_faccessat, AT_FDCWD, (long)(uintptr_t)command, 1 /* X_OK */, 0, 0, 0);
    if (error < 0)
        return error;
    error = kernel_call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)(uintptr_t)pair, 0, 0);
    if (error < 0)
        return error;

    unsigned long all = ~0ul, before = 0;
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&all, (long)(uintptr_t)&before, 8, 0, 0);
    long helper = raw_fork(0);
    if (helper == 0) {
        long agent = raw_fork(SIGCHLD);
        if (agent == 0)
            become_agent(command, options, pair[1]);
        int32_t number = (int32_t)agent;
        kernel_call(SYS_sendto, pair[1], (long)(uintptr_t)&number, sizeof number, MSG_NOSIGNAL, 0, 0);
        leave(0);
    }
    __atomic_store_n(&helper_pid, helper > 0 ? (int)helper : 0, __ATOMIC_RELAXED);
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&before, 0, 8, 0, 0);
    kernel_call(SYS_close, pair[1], 0, 0, 0, 0, 0);
    if (helper < 0) {
        kernel_call(SYS_close, pair[0], 0, 0, 0, 0, 0);
        return helper;
    }
    /* Not `while EINTR` on the wait alone: a program that ignores SIGCHLD has the kernel reap the helper, and ECHILD is fine. */
    while (kernel_call(SYS_wait4, helper, 0, __WALL, 0, 0, 0) == -EINTR)
        ;
    __atomic_store_n(&helper_pid, 0, __ATOMIC_RELAXED);
    int32_t number = -EPIPE;
    long got;
    while ((got = kernel_call(SYS_recvfrom, pair[0], (long)(uintptr_t)&number, sizeof number, 0, 0, 0)) == -EINTR)
        ;
    if (got != sizeof number || number <= 0) {
        kernel_call(SYS_close, pair[0], 0, 0, 0, 0, 0);
        return got == sizeof number ? number : -EPIPE;
    }
    *pid = number;
    return kernel_high_fd(pair[0]);
}
