/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* On the stand-in engine: a child that is the engine's own is never seen by the wait family. */
#include "../../standin/standin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child(int status, unsigned delay_ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(delay_ms * 1000);
        _exit(status);
    }
    return pid;
}

int main(void)
{
    int status;
    struct rusage usage;
    siginfo_t info;
    for (int way = 0; way < 6; way++) {
        pid_t ours = child(1, 0);
        standin_own_pid(ours);
        pid_t theirs = child(2 + way, 100);
        pid_t got = -2;
        status = 0;
        switch (way) {
        case 0:
            got = wait(&status);
            break;
        case 1:
            got = waitpid(-1, &status, 0);
            break;
        case 2:
            got = wait3(&status, 0, &usage);
            break;
        case 3:
            got = wait4(-1, &status, 0, &usage);
            break;
        case 4:
            got = waitid(P_ALL, 0, &info, WEXITED) == 0 ? info.si_pid : -1;
            status = info.si_status << 8;
            break;
        case 5:
            waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
            printf("left there: %d\n", info.si_pid == theirs);
            got = waitpid(0, &status, 0);
            break;
        }
        printf("%d: theirs %d, status %d\n", way, got == theirs, WEXITSTATUS(status));
        errno = 0;
        got = waitpid(ours, &status, WNOHANG);
        printf("  by number: %d, ECHILD %d\n", (int)got, errno == ECHILD);
        errno = 0;
        got = waitid(P_PID, (id_t)ours, &info, WEXITED | WNOHANG);
        printf("  waitid: %d, ECHILD %d\n", (int)got, errno == ECHILD);
        errno = 0;
        got = waitpid(-1, NULL, WNOHANG);
        printf("  no more: %d, ECHILD %d\n", (int)got, errno == ECHILD);
    }
    return 0;
}
