/* realloc up and down through every class of size, contents kept; realloc of NULL and to zero. */
#include "subject.h"

int main(void)
{
    unsigned state = 12345;
    unsigned char *block = NULL;
    size_t size = 0;
    for (int i = 0; i < 3000; i++) {
        state = state * 1103515245u + 12345u;
        size_t next = (state >> 8) % (i % 50 ? 3000 : 2000000) + 1;
        block = realloc(block, next);
        for (size_t k = 0; k < (size < next ? size : next); k += 97)
            if (block[k] != (unsigned char)(k * 31))
                return 1;
        for (size_t k = 0; k < next; k++)
            block[k] = (unsigned char)(k * 31);
        size = next;
    }
    void *gone = realloc(block, 0);
    printf("%d\n", gone == NULL);
    return 0;
}
