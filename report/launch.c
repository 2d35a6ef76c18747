/* From a path and an argument vector to a running program that cannot tell it was started by us.
 *
 *  1. Fork. The child waits for a byte: its pid is known (files named after it can be opened) before PROGRAM runs.
 *  2. Given the byte, it takes back the signal mask and SIGCHLD's disposition that midden was started with. Process group,
 *     terminal, umask, limits and inherited descriptors were never touched; every descriptor that midden opened is
 *     close-on-exec.
 *  3. It execs. A file without "#!" that the kernel does not know is handed to /bin/sh, as execvp(3) does. A failure travels back
 *     through a close-on-exec pipe.
 *
 * The one trace left: the child is killed when midden is (PR_SET_PDEATHSIG), because whoever kills the command means the
 * program. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "say.h"

static char *assignment(const char *name, const char *value, const char *more)
{
    char *text = NULL;
    if (asprintf(&text, "%s=%s%s%s", name, value, more && more[0] ? ":" : "", more ? more : "") < 0)
        die("out of memory");
    return text;
}

/* Puts text ("NAME=value") where NAME stands in the environment, or at its end. */
static void put(char **environment, char *text)
{
    size_t name = strcspn(text, "=") + 1;
    while (*environment && strncmp(*environment, text, name) != 0)
        environment++;
    if (!*environment)
        environment[1] = NULL;
    *environment = text;
}

char **launch_environment(const char *library, const char *options, const char *agent)
{
    size_t n = 0;
    while (environ[n])
        n++;
    char **copy = memory_new(n + 4, sizeof *copy);
    memcpy(copy, environ, n * sizeof *copy);
    put(copy, assignment("LD_PRELOAD", library, getenv("LD_PRELOAD")));
    put(copy, assignment("MIDDEN_OPTIONS", options, NULL));
    put(copy, assignment("MIDDEN_AGENT", agent, NULL));
    return copy;
}

/* Text, which execvp(3) hands to the shell, and not a binary that the kernel does not know. */
static bool is_text(const char *path)
{
    char start[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, start, sizeof start) : -1;
    if (fd >= 0)
        close(fd);
    return got >= 0 && memchr(start, 0, (size_t)got) == NULL && memcmp(start, "\177ELF", 4) != 0;
}

static void run_child(const int go[2], const int failure[2], pid_t parent,
                      const struct launch_origin *origin, const char *path, char **argv, char **environment)
{
    char byte;
    close(go[1]);
    close(failure[0]);
    ssize_t got;
    do
        got = read(go[0], &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1)
        _exit(STATUS_FAILED);

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(STATUS_FAILED);
    sigaction(SIGCHLD, &origin->child_action, NULL);
    sigprocmask(SIG_SETMASK, &origin->mask, NULL);
    execve(path, argv, environment);
    int trouble = errno;
    if (trouble == ENOEXEC && is_text(path)) {
        size_t n = 0;
        while (argv[n])
            n++;
        char **words = memory_new(n + 2, sizeof *words);
        words[0] = strdup("/bin/sh");
        words[1] = strdup(path);
        memcpy(words + 2, argv + 1, n * sizeof *words);
        execve("/bin/sh", words, environment);
        trouble = errno;
    }
    if (write(failure[1], &trouble, sizeof trouble) < 0)
        _exit(STATUS_FAILED);
    _exit(STATUS_CANNOT_RUN);
}

bool launch_prepare(struct launch *launch, const struct launch_origin *origin, const char *path, char **argv, char **environment)
{
    int go[2], failure[2];
    pid_t parent = getpid();
    if (pipe2(go, O_CLOEXEC) != 0)
        return false;
    if (pipe2(failure, O_CLOEXEC) != 0)
        goto no_failure_pipe;
    launch->pid = fork();
    if (launch->pid < 0)
        goto no_child;
    if (launch->pid == 0)
        run_child(go, failure, parent, origin, path, argv, environment);
    close(go[0]);
    close(failure[1]);
    launch->go = go[1];
    launch->failure = failure[0];
    return true;

no_child:
    close(failure[0]);
    close(failure[1]);
no_failure_pipe:
    close(go[0]);
    close(go[1]);
    return false;
}

int launch_go(struct launch *launch)
{
    int trouble = 0;
    ssize_t got = -1;
    if (write(launch->go, "", 1) == 1)
        do
            got = read(launch->failure, &trouble, sizeof trouble);
        while (got < 0 && errno == EINTR);
    close(launch->go);
    close(launch->failure);
    return got == (ssize_t)sizeof trouble ? trouble : 0;
}

void launch_cancel(struct launch *launch)
{
    close(launch->go);
    close(launch->failure);
    kill(launch->pid, SIGKILL);
    while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
