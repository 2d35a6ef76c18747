/* Buffers of the program's own for stdio, from the heap, used until the very end of the program. */
#include "subject.h"

char *kept;

int main(void)
{
    kept = malloc(8192);
    setvbuf(stdout, kept, _IOFBF, 8192);
    for (int i = 0; i < 2000; i++)
        printf("line %d\n", i);
    FILE *null = fopen("/dev/null", "w");
    char *small = malloc(64);
    setvbuf(null, small, _IOLBF, 64);
    fprintf(null, "%0200d\n", 5);
    fclose(null);
    free(small);
    return 0;
}
