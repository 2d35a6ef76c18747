/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* The errno of every exec that fails, and of what is not there: the search along PATH is libc's own. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define TRY(call)                                             \
    do {                                                      \
        errno = 0;                                            \
        int result_ = (call);                                 \
        printf("%s: %d, errno %d\n", #call, result_, errno);  \
        fflush(stdout);                                       \
    } while (0)

static void make(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
    if (write(fd, text, strlen(text)) < 0)
        perror(path);
    close(fd);
    chmod(path, mode);
}

static void run(const char *what, int (*way)(void))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(way() < 0 ? 50 + (errno == ENOEXEC) : 0);
    waitpid(pid, &status, 0);
    printf("%s: %x\n", what, (unsigned)status);
}

static char *const arguments[] = {(char *)"x", (char *)"one", (char *)"two", NULL};
static int by_execvp(void) { return execvp("noheader", arguments); }
static int by_execlp(void) { return execlp("noheader", "noheader", "one", "two", (char *)NULL); }
static int by_execve(void) { return execve("./noheader", arguments, environ); }
static int by_second(void) { return execvp("second", arguments); }

int main(void)
{
    char folder[] = "/tmp/exec-errors-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder))
        return 2;
    mkdir("a", 0755);
    mkdir("b", 0755);
    mkdir("a/directory", 0755);
    make("noheader", "echo \"$# $1 $2\"\n", 0755);
    make("a/notexecutable", "echo no\n", 0644);
    make("a/second", "echo no\n", 0644);
    make("b/second", "#!/bin/sh\necho second\n", 0755);
    make("badinterpreter", "#!/nonexistent/interpreter\n", 0755);
    make("loop", "#!loop\n", 0755);
    make("empty", "", 0755);
    make("short", "\177ELF", 0755);
    char long_name[400];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    setenv("PATH", "a:b:", 1);

    TRY(execve("/nonexistent", arguments, environ));
    TRY(execve("", arguments, environ));
    TRY(execve("/", arguments, environ));
    TRY(execve("/etc/passwd", arguments, environ));
    TRY(execve("/etc/passwd/x", arguments, environ));
    TRY(execve("./badinterpreter", arguments, environ));
    TRY(execve("./loop", arguments, environ));
    TRY(execve("./empty", arguments, environ));
    TRY(execve("./short", arguments, environ));
    TRY(execve("./noheader", arguments, environ));
    TRY(execv("./a/directory", arguments));
    TRY(execvp("", arguments));
    TRY(execvp("missing", arguments));
    TRY(execvp("notexecutable", arguments));
    TRY(execvp("directory", arguments));
    TRY(execvp(long_name, arguments));
    TRY(execvp("./badinterpreter", arguments));
    TRY(execl("/nonexistent", "x", (char *)NULL));
    TRY(execlp("missing", "x", (char *)NULL));
    TRY(execle("/nonexistent", "x", (char *)NULL, environ));
    TRY(fexecve(-1, arguments, environ));
    TRY(execveat(AT_FDCWD, "/nonexistent", arguments, environ, 0));
    TRY(execveat(-1, "x", arguments, environ, 0));
    pid_t pid = 0;
    TRY(posix_spawn(&pid, "/nonexistent", NULL, NULL, arguments, environ));
    TRY(posix_spawnp(&pid, "missing", NULL, NULL, arguments, environ));
    TRY(posix_spawnp(&pid, "notexecutable", NULL, NULL, arguments, environ));
    TRY(posix_spawnp(&pid, "./noheader", NULL, NULL, arguments, environ));
    run("execvp without header", by_execvp);
    run("execlp without header", by_execlp);
    run("execve without header", by_execve);
    run("second on the path", by_second);
    unsetenv("PATH");
    TRY(execvp("missing", arguments));
    TRY(system("exit 7"));
    TRY(system("kill -TERM $$"));
    TRY(system(NULL));
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") || system(command) != 0;
}
