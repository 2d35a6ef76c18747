/* A process with a thread forks. argv[1]: what the child does before it ends by exit(): "nothing", or "lose" a block of its own.
 *
 * From before the fork are: a block of 71 bytes that is lost, one of 72 that only the stack of the thread holds, which does not
 * survive the fork, one of 73 that only the thread's thread-local variable holds. */
#include <sys/wait.h>
#include "waiting.h"

static _Thread_local void *mine;

static NOINLINE void lose(size_t size)
{
    void *block = malloc(size);
    KEEP(block);
}

static NOINLINE void keep(void)
{
    mine = malloc(73);
    KEEP(mine);
}

static void *thread(void *unused)
{
    char *volatile block = malloc(72);
    keep();
    WAIT_FOR_EVER();
    return block;
}

int main(int argc, char **argv)
{
    int status = 0;
    lose(71);
    start(NULL, thread);
    scrub();
    pid_t child = fork();
    if (child == 0) {
        if (argc > 1 && argv[1][0] == 'l')
            lose(74);
        scrub();
        exit(0);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}
