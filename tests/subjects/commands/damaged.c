/* Stands still with damage beside its blocks that nobody has met yet. With "busy": without any, and with threads that allocate, change and
 * free blocks of all sizes without end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *kept[8];

static void write_there(char *block, long offset, char value) { *(char *volatile)(block + offset) = value; }

static void beyond(int i)
{
    kept[i] = malloc(100);
    write_there(kept[i], 100, 1);
    write_there(kept[i], 101, 2);
}

static void before(void)
{
    kept[4] = malloc(64);
    write_there(kept[4], -3, 9);
}

static void after_free(void)
{
    kept[5] = malloc(48);
    free(kept[5]);
    write_there(kept[5], 10, 1);
}

static void beyond_large(void)
{
    kept[6] = malloc(300000);
    write_there(kept[6], 300000, 4);
}

static void *churn(void *seed)
{
    unsigned state = (unsigned)(size_t)seed;
    void *blocks[256] = {NULL};
    for (;;) {
        state = state * 1664525u + 1013904223u;
        unsigned at = state >> 24;
        size_t size = state >> 4 & (state & 8 ? 0x1ff : state & 7 ? 0x3fff : 0x7ffff);
        if (!(state & 0x300))
            blocks[at] = realloc(blocks[at], size + 1);
        else {
            free(blocks[at]);
            blocks[at] = state & 0x400 ? calloc(1, size) : malloc(size);
        }
        if (blocks[at] && size)
            memset(blocks[at], at, size);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[3];
    (void)argv;
    if (argc > 1) {
        for (size_t i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    } else {
        for (int i = 0; i < 3; i++)
            beyond(i);
        before();
        after_free();
        beyond_large();
    }
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
