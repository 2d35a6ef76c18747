/* Threads are cancelled inside calls that are allowed more than their blocks hold, and the streams stay usable. */
#include "subject.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int ends[2], pair[2];

static void *in_read(void *block) { read(ends[0], block, 100000); return NULL; }
static void *in_recv(void *block) { recv(pair[0], block, 400, 0); return NULL; }
static void *in_readv(void *block)
{
    struct iovec piece = {block, 5000};
    readv(ends[0], &piece, 1);
    return NULL;
}
static void *in_fread(void *block)
{
    FILE *file = fdopen(dup(ends[0]), "r");
    pthread_cleanup_push((void (*)(void *))fclose, file);
    fread(block, 1, 5000, file);
    pthread_cleanup_pop(1);
    return NULL;
}

int main(void)
{
    void *(*const calls[])(void *) = {in_read, in_recv, in_readv, in_fread};
    int cancelled = 0;
    if (pipe(ends) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    for (int i = 0; i < 40; i++) {
        pthread_t thread;
        void *result, *block = malloc(20);
        pthread_create(&thread, NULL, calls[i % 4], block);
        usleep(500);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        cancelled += result == PTHREAD_CANCELED;
        free(block);
    }
    printf("%d cancelled\n", cancelled);
    write(ends[1], "still", 5);
    char *block = malloc(8);
    printf("%d read\n", (int)read(ends[0], block, 4000));
    free(block);
    return 0;
}
