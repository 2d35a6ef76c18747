/* Calls that a signal interrupts return EINTR for the program's signals, and only for them. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "subject.h"

static void nothing(int number) {}

int main(void)
{
    struct sigaction action = { .sa_handler = nothing };
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    int result = poll(NULL, 0, 5000);
    printf("%d %d\n", result, errno == EINTR);
    struct timespec wait = { 0, 30000000 }, left = { 0, 0 };
    printf("%d\n", nanosleep(&wait, &left));
    sigset_t set, old;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, &old);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    int blocked = 0;
    for (int number = 1; number < 32; number++)
        blocked += sigismember(&set, number) == 1;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    printf("%d\n", blocked);
    return 0;
}
