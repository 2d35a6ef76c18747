/* A child made by fork ends by exit(): what its parent had allocated is not the child's leak. */
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static NOINLINE void lose(size_t size)
{
    void *block = malloc(size); /* LEAK: definite 71 bytes 1 block */
    KEEP(block);
}

int main(void)
{
    int status = 0;
    lose(71);
    scrub();
    pid_t child = fork();
    if (child == 0)
        exit(5);
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) != 5;
}
