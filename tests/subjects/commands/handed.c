/* Blocks of one thread that another one frees. "twice": and one of them is freed again. "many": many of them, of which a sample may be taken;
 * "resized": which become smaller before. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 4000

static char *mine[3], *theirs, *many[MANY];

static void free_many(void)
{
    for (int i = 0; i < MANY; i++)
        free(many[i]);
}

static void *other(void *argument)
{
    theirs = malloc(219);
    free(mine[0]);
    free(mine[1]);
    if (many[0])
        free_many();
    return NULL;
}

int main(int argc, char **argv)
{
    static char buffer[512];        /* or what is printed would take the place of a freed block */
    pthread_t thread;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    char byte, *what = argc > 1 ? argv[1] : "";
    for (int i = 0; i < 3; i++)
        mine[i] = malloc(201);
    for (int i = 0; i < MANY && (!strcmp(what, "many") || !strcmp(what, "resized")); i++)
        many[i] = malloc(700);
    for (int i = 0; i < MANY && !strcmp(what, "resized"); i++)
        many[i] = realloc(many[i], 690);
    if (pthread_create(&thread, NULL, other, what) || pthread_join(thread, NULL))
        return 2;
    printf("freed0 %p\nfreed1 %p\nkept %p\ntheirs %p\nready\n", (void *)mine[0], (void *)mine[1], (void *)mine[2], (void *)theirs);
    fflush(stdout);
    if (strcmp(what, "twice") == 0)
        free(mine[0]);
    if (read(0, &byte, 1) < 0)
        return 3;
    _exit(0);
}
