/* A daemon by double fork: the first process ends at once, the grandchild works on and says so through a pipe that the test
 * reads to its end. */
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

int main(void)
{
    char *block = malloc(1000);
    memset(block, 'd', 1000);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            char *more = malloc(2000);
            usleep(50000);
            memset(more, 'e', 2000);
            printf("daemon %c%c\n", block[999], more[1999]);
            fflush(stdout);
            free(more);
            free(block);
            exit(0);
        }
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    free(block);
    return WEXITSTATUS(status);
}
