/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* A library whose constructor runs before main and uses the heap, forks, reads the environment and starts a program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *kept;

__attribute__((constructor)) static void start(void)
{
    kept = malloc(64);
    strcpy(kept, getenv("LD_PRELOAD") ? "sees LD_PRELOAD" : "sees no LD_PRELOAD");
    pid_t pid = fork();
    if (pid == 0)
        _exit(malloc(10) != NULL ? 4 : 5);
    int status = 0;
    waitpid(pid, &status, 0);
    printf("constructor: %s, child %d\n", kept, WEXITSTATUS(status));
}

__attribute__((destructor)) static void end(void)
{
    free(kept);
}
