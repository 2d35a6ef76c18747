/* FLAGS: -D_GNU_SOURCE */
/* A program with a malloc of its own that reads its settings when it is first called, with its lock held, as jemalloc does: what it
 * calls then must not come back to malloc. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char arena[8 << 20] __attribute__((aligned(64)));
static size_t used;
static int ready;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void initialise(void)
{
    char where[256];
    pthread_mutex_lock(&lock);      /* not recursive: a second time in the same thread waits for ever */
    if (!ready) {
        ssize_t n = readlink("/etc/no-such-settings", where, sizeof where - 1);
        where[n > 0 ? n : 0] = '\0';
        ready = 1 + (strstr(where, "quiet") != NULL);
    }
    pthread_mutex_unlock(&lock);
}

void *malloc(size_t size)
{
    if (!ready)
        initialise();
    size_t room = (size + 31) & ~(size_t)15, at = __atomic_fetch_add(&used, room, __ATOMIC_RELAXED);
    if (at + room > sizeof arena)
        return NULL;
    *(size_t *)(void *)(arena + at) = size;
    return arena + at + 16;
}

void free(void *block)
{
    (void)block;
}

void *calloc(size_t count, size_t size)
{
    void *block = malloc(count * size);
    return block ? memset(block, 0, count * size) : NULL;
}

void *realloc(void *block, size_t size)
{
    void *fresh = malloc(size);
    return fresh && block ? memcpy(fresh, block, size < ((size_t *)block)[-2] ? size : ((size_t *)block)[-2]) : fresh;
}

int main(void)
{
    alarm(20);
    char *copy = strdup("copied");
    printf("%s, ready %d\n", copy, ready);
    free(copy);
    return 0;
}
