/* Writes past the end of a block that is never freed: found when the program ends. argv: size, bytes past the end. */
/* RUN: 0 1 */
/* RUN: 1 8 */
/* RUN: 15 1 */
/* RUN: 16 1 */
/* RUN: 17 8 */
/* RUN: 48 64 */
/* RUN: 4096 1 */
/* RUN: 100000 64 */
/* RUN: 3145728 1 */
#include "subject.h"

static char *block;

static NOINLINE void overrun(size_t size, size_t past)
{
    for (size_t i = 0; i < past; i++)
        ((volatile char *)block)[size + i] = 'A'; /* BUG: heap-buffer-overflow write */
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 10), past = strtoul(argv[2], NULL, 10);
    block = malloc(size); /* ALLOC */
    overrun(size, past);
    return 0;
}
