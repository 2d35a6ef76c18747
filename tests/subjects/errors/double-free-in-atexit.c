/* Freed by main and once more by an exit handler. */
#include "subject.h"

static void *table;

static void cleanup(void)
{
    free(table); /* BUG: double-free free offset=0 */
    __asm__ volatile("");
}

int main(void)
{
    atexit(cleanup);
    table = malloc(300); /* ALLOC */
    free(table); /* FREE */
    return 0;
}
