/* The mistake is a thread's, the block is main's. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#include <pthread.h>

static void *work(void *block)
{
    memset(block, 1, 33); /* BUG: heap-buffer-overflow write offset=32 size=1 */
    return NULL;
}

int main(void)
{
    pthread_t thread;
    char *block = malloc(32); /* ALLOC */
    KEEP(block);
    pthread_create(&thread, NULL, work, block);
    pthread_join(thread, NULL);
    free(block);
    return 0;
}
