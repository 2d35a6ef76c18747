/* Threads allocate and free across each other at full speed while main ends the program. argv: how (return, exit, _exit, quick,
 * thread, kill). */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "subject.h"

enum { SLOTS = 256 };
static void *slots[SLOTS];
static volatile int end_now;

static void *churn(void *argument)
{
    uint64_t state = (uintptr_t)argument * 0x9e3779b97f4a7c15u + 1;
    while (!end_now) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        void *block = malloc(state % 2000);
        free(__atomic_exchange_n(&slots[state / 5000 % SLOTS], block, __ATOMIC_ACQ_REL));
    }
    exit(0);
    return argument;
}

int main(int argc, char **argv)
{
    for (uintptr_t i = 0; i < 4; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, churn, (void *)i);
        pthread_detach(thread);
    }
    usleep(100000);
    switch (argv[1][0]) {
    case 'r': return 0;
    case 'e': exit(0);
    case '_': _exit(0);
    case 'q': quick_exit(0);
    case 't': end_now = 1; pthread_exit(NULL);
    default: raise(SIGTERM);
    }
    return 0;
}
