/* Blocks that lie side by side are lost; of each the address of its end is kept. */
#include "subject.h"

char *ends[40];

static NOINLINE void make(void)
{
    for (int i = 0; i < 40; i++) {
        char *block = malloc(48);
        memset(block, 0, 48);
        ends[i] = block + 48;
    }
}

int main(void)
{
    make();
    scrub();
    return 0;
}
