/* Writes just before a block that is never freed. argv: size, bytes before. */
/* RUN: 16 1 -> offset=-1 size=1 */
/* RUN: 48 8 -> offset=-8 size=8 */
/* RUN: 4096 1 -> offset=-1 size=1 */
/* RUN: 3145728 8 -> offset=-8 size=8 */
#include "subject.h"

static char *block;

static NOINLINE void underrun(int before)
{
    for (int i = -before; i < 0; i++)
        ((volatile char *)block)[i] = 'A'; /* BUG: heap-buffer-underflow write */
}

int main(int argc, char **argv)
{
    block = malloc(strtoul(argv[1], NULL, 10)); /* ALLOC */
    underrun(atoi(argv[2]));
    return 0;
}
