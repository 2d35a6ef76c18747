/* Writes into a freed block: found when it leaves the quarantine or when the program ends. argv: size, where, how much. */
/* RUN: 1 0 1 -> offset=0 size=1 */
/* RUN: 48 0 8 -> offset=0 size=8 */
/* RUN: 48 47 1 -> offset=47 size=1 */
/* RUN: 1000 500 4 -> offset=500 size=4 */
/* RUN: 5000 0 1 -> offset=0 size=1 */
/* RUN: 100000 99999 1 -> offset=99999 size=1 */
#include "subject.h"

static NOINLINE void use(char *block, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)block)[at + i] = 'A'; /* BUG: heap-use-after-free write */
}

int main(int argc, char **argv)
{
    char *block = malloc(strtoul(argv[1], NULL, 10)); /* ALLOC */
    char *stale = block;
    KEEP(block);
    KEEP(stale);
    free(block); /* FREE */
    use(stale, strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    return 0;
}
