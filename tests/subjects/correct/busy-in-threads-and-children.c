/* Places that free very much, in threads that come and go, of each other's blocks too, and in children of any moment: what a thread holds back
 * for a short while is nobody else's, and goes with it. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

#define SHELF 64

static _Atomic(unsigned char *) shelf[SHELF];   /* each block filled with its own size */

static int whole(const unsigned char *block)
{
    for (int i = 0; i < block[0]; i++)
        if (block[i] != block[0])
            return 0;
    return 1;
}

static unsigned char *made(unsigned size)
{
    unsigned char *block = malloc(size);
    memset(block, (int)size, size);
    return block;
}

static long exchange(unsigned times, unsigned start)
{
    long bad = 0;
    for (unsigned i = 0; i < times; i++) {
        unsigned char *old = atomic_exchange(&shelf[(start + i * 7) % SHELF], made(1 + (start + i * 31) % 250));
        if (old) {
            bad += !whole(old);
            free(old);
        }
    }
    return bad;
}

static void *worker(void *number)
{
    return (void *)exchange(6000, (unsigned)(uintptr_t)number);
}

int main(void)
{
    long bad = 0, good = 0;
    for (unsigned round = 0; round < 6; round++) {
        pthread_t threads[3];
        for (unsigned i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)(round * 100 + i));
        pid_t child = fork();
        if (child == 0)
            _exit(exchange(5000, round) ? 1 : 42);
        bad += exchange(3000, round);
        int status;
        waitpid(child, &status, 0);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 42;
        for (unsigned i = 0; i < 3; i++) {
            void *answer;
            pthread_join(threads[i], &answer);
            bad += (long)answer;
        }
    }
    for (unsigned i = 0; i < SHELF; i++)
        free(atomic_exchange(&shelf[i], NULL));
    printf("%ld children well, %ld blocks damaged\n", good, bad);
    return 0;
}
