/* main returns while detached threads still allocate, hold and free. */
#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static void *thread(void *unused)
{
    for (;;) {
        void *blocks[10];
        for (size_t i = 0; i < 10; i++)
            blocks[i] = malloc(i * 100);
        for (size_t i = 0; i < 10; i++)
            free(blocks[i]);
    }
    return unused;
}

int main(void)
{
    for (int i = 0; i < 4; i++) {
        pthread_t other;
        pthread_create(&other, NULL, thread, NULL);
        pthread_detach(other);
    }
    usleep(10000);
    puts("main is done");
    return 0;
}
