/* Children of every making use heap blocks of every engine in checked calls; other threads keep the heap busy meanwhile. */
#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static char *blocks[4];
static volatile int stop;

static void *busy(void *unused)
{
    while (!stop) {
        char *block = malloc(5000);
        memset(block, 'b', 5000);
        KEEP(block);
        free(block);
    }
    return unused;
}

static int use(void)
{
    char copy[64];
    int right = 1;
    for (int i = 0; i < 4; i++) {
        memcpy(copy, blocks[i], 21);
        right &= strlen(copy) == strlen(blocks[i]);
        sprintf(blocks[i] + 21, "%s", copy);
        right &= strcmp(blocks[i] + 21, blocks[i]) == 0;
    }
    return right;
}

static int status_of(pid_t child)
{
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    static const size_t sizes[] = {64, 3000, 200000, 2000000};
    for (int i = 0; i < 4; i++) {
        blocks[i] = malloc(sizes[i]);
        strcpy(blocks[i], "twenty letters here.");
    }
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, busy, NULL);
    int right = 0;
    for (int i = 0; i < 30; i++) {
        pid_t child = vfork();
        if (child == 0)
            _exit(use());
        right += status_of(child) == 1;
        child = fork();
        if (child == 0)
            _exit(use());
        right += status_of(child) == 1;
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", right);
    for (int i = 0; i < 4; i++)
        free(blocks[i]);
    return 0;
}
