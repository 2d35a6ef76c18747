/* Preloaded behind LeakSanitizer: it sets itself up at the first allocation, and a program that calls signal() before that jumps to address 0. */
#include <stdlib.h>

__attribute__((constructor)) static void first(void)
{
    void *volatile block = malloc(1);
    free(block);
}
