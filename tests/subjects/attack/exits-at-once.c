/* Four threads use the heap; a signal to each of them interrupts it there, and every handler ends the program. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "subject.h"

static void handler(int number)
{
    void *block = malloc((size_t)number);
    KEEP(block);
    free(block);
    _exit(7);
}

static void *churn(void *seed)
{
    void *blocks[50] = {0};
    for (unsigned i = 1 + (unsigned)(uintptr_t)seed;; i = i * 1103515245u + 12345u) {
        unsigned at = (i >> 8) % 50;
        free(blocks[at]);
        blocks[at] = malloc((i >> 12) % 40000);
        KEEP_OBJECT(blocks);
    }
    return seed;
}

int main(int count, char **arguments)
{
    pthread_t threads[4];
    signal(SIGUSR1, handler);
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    usleep(20000 + (unsigned)getpid() % 1000 * 10);
    for (int i = 0; i < 4; i++)
        pthread_kill(threads[i], SIGUSR1);
    if (count > 1 && !strcmp(arguments[1], "main"))
        return 7;
    for (;;)
        pause();
}
