/* FLAGS: -D_GNU_SOURCE */
/* A thread waits while the program is stopped again and again for leak checks: each wait lasts its time, none sees EINTR; but
 * signals of the program's own, which are sent until it has ended, end the first wait of a second thread. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../../include/midden.h"

static volatile int handled, first_is_over;
static pthread_barrier_t both;
static void handler(int number) { (void)number; handled = 1; }

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void one_wait(int i, int time_ms)
{
    long began = now_ms();
    handled = 0;
    int result = i % 2 ? usleep((useconds_t)time_ms * 1000) : poll(NULL, 0, time_ms);
    int interrupted = result < 0 && errno == EINTR;
    if (time_ms > 1000) {
        first_is_over = 1;
        pthread_barrier_wait(&both);
    }
    printf("%s, %s, %s\n", interrupted ? "EINTR" : "no error", now_ms() - began >= time_ms - 5 ? "in full" : "early",
           handled ? "handled" : "nothing came");
}

static void *waits(void *first_ms)
{
    one_wait(0, (int)(long)first_ms);
    for (int i = 1; i < 4; i++)
        one_wait(i, 800);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, waits, (void *)800l);
    int answered = 0;
    for (int i = 0; i < 5; i++) {
        usleep(150000);
        answered += MIDDEN_LEAK_CHECK() >= 0;
    }
    pthread_join(thread, NULL);
    pthread_barrier_init(&both, NULL, 2);
    pthread_create(&thread, NULL, waits, (void *)60000l);
    while (!first_is_over) {
        pthread_kill(thread, SIGUSR1);
        usleep(20000);
    }
    pthread_barrier_wait(&both);
    pthread_join(thread, NULL);
    printf("checks: %d\n", answered);
    return 0;
}
