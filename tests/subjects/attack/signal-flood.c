/* Every signal that can be caught is sent to every thread, again and again, while all of them allocate. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "subject.h"

static volatile sig_atomic_t caught;
static volatile int stop;
static pthread_t threads[3];

static void handler(int number) { caught = 1; }

static void *churn(void *unused)
{
    while (!stop) {
        void *block = malloc(500);
        KEEP(block);
        free(block);
    }
    return unused;
}

int main(void)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
    for (int number = 1; number < 65; number++)
        if (number != SIGKILL && number != SIGSTOP && number != SIGTSTP && number != 32 && number != 33)
            sigaction(number, &action, NULL);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int round = 0; round < 200; round++)
        for (int number = 1; number < 65; number++)
            if (number != SIGKILL && number != SIGSTOP && number != SIGTSTP && number != 32 && number != 33)
                pthread_kill(threads[round % 3], number);
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", (int)caught);
    return 0;
}
