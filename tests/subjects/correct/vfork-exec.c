/* vfork and exec, posix_spawn, system, popen: children run, their status and output arrive, the environment is untouched. */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

extern char **environ;

int main(void)
{
    int status, sum = 0;
    for (int i = 0; i < 3; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
            _exit(127);
        }
        waitpid(child, &status, 0);
        sum += WEXITSTATUS(status);
    }
    pid_t child;
    char *argv[] = { "sh", "-c", "exit 5", NULL };
    if (posix_spawnp(&child, "sh", NULL, NULL, argv, environ))
        return 1;
    waitpid(child, &status, 0);
    sum += WEXITSTATUS(status);
    sum += WEXITSTATUS(system("exit 3"));
    FILE *pipe = popen("env", "r");
    char line[4096];
    while (fgets(line, sizeof line, pipe))
        fputs(strncmp(line, "_=", 2) ? line : "", stdout);
    pclose(pipe);
    for (char **entry = environ; *entry; entry++)
        if (strstr(*entry, "PRELOAD"))
            puts(*entry);
    printf("%d\n", sum);
    return 0;
}
