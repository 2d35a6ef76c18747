/* A signal handler interrupts the heap at any instruction, and then ends the program. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "subject.h"

static void handler(int number)
{
    static int times;
    void *block = malloc((size_t)number);
    KEEP(block);
    free(block);
    if (++times == 40)
        _exit(7);
}

static void *kept[64];

int main(void)
{
    struct itimerval often = {{0, 300}, {0, 300}};
    for (int i = 0; i < 64; i++)
        kept[i] = malloc(3000);
    KEEP_OBJECT(kept);
    signal(SIGALRM, handler);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 1;; i = i * 1103515245u + 12345u)
        free(malloc((i >> 16) % 3000));
}
