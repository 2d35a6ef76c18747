/* _exit from a signal handler that interrupted malloc, as daemons do. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "subject.h"

static void handler(int number) { _exit(6); }

int main(void)
{
    struct itimerval timer = { { 0, 0 }, { 0, 20000 } };
    signal(SIGALRM, handler);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (;;) {
        void *block = malloc(100);
        KEEP(block);
        free(block);
    }
}
