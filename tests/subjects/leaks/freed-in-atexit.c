/* Freed by an exit handler, by the destructor of a library's scope and at the very last: nothing is left but one block. */
#include "subject.h"

static void *first, *second;
void *third;

static void handler(void)
{
    free(first);
    first = NULL;
}

static __attribute__((destructor)) void destructor(void)
{
    free(second);
    second = NULL;
}

int main(void)
{
    atexit(handler);
    first = malloc(11);
    second = malloc(12);
    third = malloc(13); /* LEAK: reachable 13 bytes 1 block */
    scrub();
    return 0;
}
