/* Threads in system calls of several kinds, each with a block on its stack: reading, sleeping, waiting for a lock, for
 * descriptors, for a signal; some with every signal blocked. */
#define _GNU_SOURCE
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include "waiting.h"

static int pipes[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;
static volatile int numbers[7];

static NOINLINE void call(int kind)
{
    char byte;
    sigset_t set;
    struct timespec long_time = {1000, 0};
    struct pollfd wanted = {.fd = pipes[0], .events = POLLIN};
    struct epoll_event event;
    int status = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    switch (kind) {
    case 0: status = (int)read(pipes[0], &byte, 1); break;
    case 1: status = nanosleep(&long_time, NULL); break;
    case 2: status = pthread_mutex_lock(&mutex); break;
    case 3: status = poll(&wanted, 1, -1); break;
    case 4: status = sem_wait(&semaphore); break;
    case 5: status = epoll_wait(epoll_create1(0), &event, 1, -1); break;
    case 6: status = sigwaitinfo(&set, NULL); break;
    }
    KEEP(status);
}

static void *thread(void *argument)
{
    int kind = (int)(intptr_t)argument;
    char *volatile block = malloc(200); /* LEAK: reachable 1400 bytes 7 blocks */
    sigset_t all;
    sigfillset(&all);
    if (kind % 2)
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    scrub();
    numbers[kind] = (int)syscall(SYS_gettid);
    call(kind);
    return block;
}

static char state_of(int number)
{
    char path[64], text[256] = "", *end;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", number);
    FILE *file = fopen(path, "r");
    if (file) {
        if (!fgets(text, sizeof text, file))
            text[0] = 0;
        fclose(file);
    }
    end = strrchr(text, ')');
    return end ? end[2] : 0;
}

int main(void)
{
    if (pipe(pipes))
        return 1;
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 7; i++) {
        pthread_t other;
        pthread_create(&other, NULL, thread, (void *)(intptr_t)i);
    }
    for (int i = 0; i < 7; i++)
        while (!numbers[i] || state_of(numbers[i]) != 'S')
            usleep(1000);
    scrub();
    return 0;
}
