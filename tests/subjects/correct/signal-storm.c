/* Timer signals at a high rate interrupt malloc and free; the handler itself allocates nothing. */
#include <signal.h>
#include <sys/time.h>
#include "subject.h"

static volatile sig_atomic_t ticks;
static void tick(int number) { ticks++; }

int main(void)
{
    struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
    struct itimerval timer = { { 0, 200 }, { 0, 200 } };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    unsigned long sum = 0;
    while (ticks < 300) {
        void *blocks[20];
        for (size_t i = 0; i < 20; i++)
            blocks[i] = malloc(i * 37);
        for (size_t i = 0; i < 20; i++) {
            sum += blocks[i] != NULL;
            free(blocks[i]);
        }
    }
    timer = (struct itimerval){ { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("%d\n", sum % 20 == 0);
    return 0;
}
