/* Threads cancelled while they wait and while they allocate; cleanup handlers free. */
#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static void *waiter(void *unused)
{
    void *block = malloc(300);
    pthread_cleanup_push(free, block);
    for (;;)
        pause();
    pthread_cleanup_pop(1);
    return unused;
}

static void *churner(void *unused)
{
    for (;;) {
        void *block = malloc(300);
        free(block);
        pthread_testcancel();
    }
    return unused;
}

int main(void)
{
    pthread_t threads[10];
    int cancelled = 0;
    for (int i = 0; i < 10; i++)
        pthread_create(&threads[i], NULL, i % 2 ? waiter : churner, NULL);
    usleep(20000);
    for (int i = 0; i < 10; i++) {
        void *result;
        pthread_cancel(threads[i]);
        pthread_join(threads[i], &result);
        cancelled += result == PTHREAD_CANCELED;
    }
    printf("%d\n", cancelled);
    return 0;
}
