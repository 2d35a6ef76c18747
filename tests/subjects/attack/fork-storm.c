/* Threads allocate while main forks a tree of children, each of which allocates, frees what it inherited, and ends in its own
 * way. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static volatile int stop;
static void *inherited[100];

static void *churn(void *unused)
{
    while (!stop)
        free(malloc(1000));
    return unused;
}

static void child(int depth, int number)
{
    for (size_t i = 0; i < 100; i++) {
        free(inherited[i]);
        inherited[i] = malloc(i * 10);
    }
    if (depth < 2)
        for (int i = 0; i < 2; i++)
            if (fork() == 0)
                child(depth + 1, i);
    while (wait(NULL) > 0)
        ;
    for (size_t i = 0; i < 100; i++)
        free(inherited[i]);
    memset(inherited, 0, sizeof inherited);
    if (number % 2)
        _exit(0);
    exit(0);
}

int main(void)
{
    pthread_t threads[2];
    int good = 0, status;
    for (size_t i = 0; i < 100; i++)
        inherited[i] = malloc(i * 20);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 12; i++)
        if (fork() == 0)
            child(0, i);
    while (wait(&status) > 0)
        good += status == 0;
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 100; i++)
        free(inherited[i]);
    printf("%d\n", good);
    return 0;
}
