/* FLAGS: -D_GNU_SOURCE */
/* Threads that are named by another thread, by themselves, or not at all, and outlive it all. */
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void *waits(void *name)
{
    if (name)
        prctl(PR_SET_NAME, name, 0, 0, 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(void)
{
    pthread_t threads[4];
    pthread_barrier_init(&barrier, NULL, 5);
    pthread_create(&threads[0], NULL, waits, NULL);
    pthread_create(&threads[1], NULL, waits, NULL);
    pthread_create(&threads[2], NULL, waits, "by itself");
    pthread_create(&threads[3], NULL, waits, NULL);
    pthread_barrier_wait(&barrier);
    pthread_setname_np(threads[1], "by another");
    pthread_setname_np(threads[0], "fifteen letters");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
