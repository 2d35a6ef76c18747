/* A thread frees a variable on its own stack. */
/* FLAGS: -Wno-free-nonheap-object */
#include <pthread.h>
#include "subject.h"

static void *thread(void *unused)
{
    long buffer[8];
    void *address = buffer;
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    return 0;
}
