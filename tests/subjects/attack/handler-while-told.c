/* A timer's handler comes while the thread it interrupts tells a mistake and waits for the agent. Then it ends the program one way or
 * another, or makes a mistake of its own. */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "subject.h"

static const char *what;
static volatile char *stale;
static volatile sig_atomic_t told, acted;

static void handler(int number)
{
    if (!told || acted)
        return;
    acted = 1;
    if (!strcmp(what, "abort"))
        abort();
    else if (!strcmp(what, "crash"))
        *(volatile int *)8 = number;
    else if (!strcmp(what, "_exit"))
        _exit(7);
    else if (!strcmp(what, "exec"))
        execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
    else
        stale[1] = 1;
}

int main(int count, char **arguments)
{
    struct itimerval often = {{0, 1000}, {0, 1000}};
    what = count > 1 ? arguments[1] : "use";
    stale = malloc(100);    /* the first block of its site: between page guards */
    free((void *)stale);
    signal(SIGALRM, handler);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 3; i++) {
        void *block = malloc(24);
        KEEP(block);
        told = 1;
        free(block);
        free(block);        /* 1: double-free, a few milliseconds at the agent */
    }
    while (!acted)
        ;
    return 0;
}
