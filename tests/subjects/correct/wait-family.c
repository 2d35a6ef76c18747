/* Every way of waiting sees the program's own children, once each, and nobody else's. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static volatile sig_atomic_t told;
static void on_child(int number) { told++; }

int main(void)
{
    int status, seen = 0;
    struct rusage usage;
    siginfo_t info;
    signal(SIGCHLD, on_child);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(i + 1);
        if (i == 0)
            seen += wait(&status) == child && WEXITSTATUS(status) == 1;
        else if (i == 1)
            seen += waitpid(-1, &status, 0) == child && WEXITSTATUS(status) == 2;
        else if (i == 2)
            seen += wait4(0, &status, 0, &usage) == child && WEXITSTATUS(status) == 3;
        else
            seen += waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == child && info.si_status == 4;
    }
    printf("%d %d %d\n", seen, wait(NULL) == -1 && errno == ECHILD, (int)told);
    return 0;
}
