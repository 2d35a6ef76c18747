/* A daemon by double fork: the first process ends at once, the grandchild works on until whoever started the first has ended, too, and
 * says so through a pipe that the test reads to its end. */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

/* A process that nobody has waited for yet is a zombie. */
static int has_ended(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *state = strrchr(text, ')');
    return !state || state[2] == 'Z';
}

int main(void)
{
    pid_t starter = getppid();
    char *block = malloc(1000);
    memset(block, 'd', 1000);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            char *more = malloc(2000);
            while (!has_ended(starter))
                usleep(1000);
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
