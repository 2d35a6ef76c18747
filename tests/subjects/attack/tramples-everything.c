/* A program that overwrites every byte it can reach around its own blocks, on both sides, and goes on allocating. */
#include "subject.h"

int main(void)
{
    static char *blocks[200];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 200; i++)
            blocks[i] = malloc((size_t)(i * 13 % 300 + 16));
        for (int i = 0; i < 200; i += 2)
            for (int k = -16; k < 0; k++)
                ((volatile char *)blocks[i])[k] = (char)0xff;
        for (int i = 1; i < 200; i += 2)
            for (int k = 0; k < 8; k++)
                ((volatile char *)blocks[i])[i * 13 % 300 + 16 + k] = (char)0xff;
        for (int i = 0; i < 200; i++)
            free(blocks[i]);
        for (int i = 0; i < 200; i += 3)
            ((volatile char *)blocks[i])[3] = (char)0xff;
    }
    puts("survived");
    return 0;
}
