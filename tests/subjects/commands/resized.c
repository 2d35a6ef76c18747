/* Blocks of 4 MB altogether, each made smaller by realloc. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCKS 4000
static char *block[BLOCKS];

int main(void)
{
    char byte;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = malloc(1000);
    for (int i = 0; i < BLOCKS; i++)
        block[i] = realloc(block[i], 990);
    if (write(1, "ready\n", 6) != 6)
        return 3;
    if (read(0, &byte, 1) < 0)
        return 3;
    _exit(0);
}
