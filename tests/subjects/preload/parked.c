/* FLAGS: -D_GNU_SOURCE */
/* A thread waits while the program is stopped again and again for leak checks: each wait lasts its time, none sees EINTR; but
 * a signal of the program's own ends the one it comes in. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../../include/midden.h"

static volatile int handled;
static void handler(int number) { (void)number; handled = 1; }

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *waits(void *unused)
{
    for (int i = 0; i < 4; i++) {
        long began = now_ms();
        handled = 0;
        int result = i % 2 ? usleep(800000) : poll(NULL, 0, 800);
        printf("%s, %s, %s\n", result < 0 && errno == EINTR ? "EINTR" : "no error", now_ms() - began >= 795 ? "in full" : "early",
               handled ? "handled" : "nothing came");
    }
    return unused;
}

int main(void)
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, waits, NULL);
    int answered = 0;
    for (int i = 0; i < 5; i++) {
        usleep(150000);
        answered += MIDDEN_LEAK_CHECK() >= 0;
    }
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, waits, NULL);
    usleep(200000);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    printf("checks: %d\n", answered);
    return 0;
}
