/* KEEPS: the loader, of the unwinder that pthread_exit loads */
/* main ends by pthread_exit, the last thread ends the program. */
#include <pthread.h>
#include <unistd.h>
#include "subject.h"

static NOINLINE void lose(void)
{
    void *block = malloc(67); /* LEAK: definite 67 bytes 1 block */
    KEEP(block);
}

static void *thread(void *unused)
{
    usleep(100000);
    lose();
    scrub();
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    pthread_detach(other);
    pthread_exit(NULL);
}
