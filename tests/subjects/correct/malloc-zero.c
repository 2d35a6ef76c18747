/* malloc(0) gives distinct pointers that can be freed and grown; calloc is zero, also on used memory. */
#include "subject.h"

int main(void)
{
    void *a = malloc(0), *b = malloc(0), *c = calloc(0, 8), *d = realloc(NULL, 0);
    printf("%d%d%d%d%d\n", a != b, b != c, c != d, a && b && c && d, ((uintptr_t)a | (uintptr_t)b) % 16 == 0);
    a = realloc(a, 100);
    memset(a, 1, 100);
    free(a);
    free(b);
    free(c);
    free(d);
    for (size_t size = 1; size < 100000; size = size * 3 + 1)
        for (int i = 0; i < 20; i++) {
            char *dirty = malloc(size);
            memset(dirty, 0xee, size);
            free(dirty);
            char *zero = calloc(1, size);
            for (size_t k = 0; k < size; k++)
                if (zero[k])
                    return 1;
            free(zero);
        }
    return 0;
}
