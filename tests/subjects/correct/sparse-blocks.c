/* Gigabytes asked for, a few pages touched: memory must not be filled or read as a whole. */
#include "subject.h"

static char *volatile blocks[8];

int main(void)
{
    for (int i = 0; i < 8; i++) {
        char *block = i % 2 ? malloc((size_t)4 << 30) : calloc(1, (size_t)4 << 30);
        if (!block)
            return 1;
        block[0] = 1;
        block[(size_t)3 << 30] = 2;
        blocks[i] = block;
    }
    FILE *status = fopen("/proc/self/statm", "r");
    unsigned long total, resident;
    if (fscanf(status, "%lu %lu", &total, &resident) != 2)
        return 2;
    fclose(status);
    printf("%s\n", resident * 4096 < (1ul << 28) ? "sparse" : "not sparse");
    for (int i = 0; i < 7; i++)
        free(blocks[i]);
    return 0;
}
