/* main returned: what only its dead frame holds is lost. */
/* DIFFERS: main's frame after return is no root */
#include "subject.h"

int main(void)
{
    char *volatile block[64];
    for (int i = 0; i < 64; i++)
        block[i] = malloc(20); /* LEAK: definite 1280 bytes 64 blocks */
    scrub();
    return block[3] == NULL;
}
