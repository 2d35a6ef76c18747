/* Forks while other threads allocate: each child can allocate, of every size, whatever the threads were in the middle of. argv[1]: blocks
 * that live from the start, none by default. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2, CHILDREN = 25, MOST = 40000 };

static atomic_bool over;

static void churn(unsigned rounds)
{
    static const size_t sizes[] = {24, 100, 400, 3000, 20000, 150000};
    for (unsigned i = 0; i < rounds; i++) {
        volatile char *block = malloc(sizes[i % 6]);
        if (block)
            block[0] = 1;
        free((void *)block);
    }
}

static void *work(void *unused)
{
    while (!over)
        churn(60);
    return unused;
}

int main(int argc, char **argv)
{
    static void *blocks[MOST];
    int first = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t threads[THREADS];
    int failed = 0;
    for (int i = 0; i < first; i++)
        blocks[i] = malloc(32);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < CHILDREN; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            churn(60);
            _exit(7);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
            failed++;
    }
    over = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < first; i++)
        free(blocks[i]);
    printf("%d failed\n", failed);
    return failed != 0;
}
