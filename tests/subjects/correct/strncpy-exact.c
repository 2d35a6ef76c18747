/* Copies that fill their block to the last byte and not one more. */
#include "subject.h"

int main(void)
{
    for (size_t size = 1; size < 200; size++) {
        char *source = malloc(size + 1), *target = malloc(size);
        memset(source, 'x', size);
        source[size] = 0;
        strncpy(target, source, size);
        memcpy(target, source, size);
        memmove(target, target, size);
        snprintf(target, size, "%s", source);
        if (strlen(target) != size - 1)
            return 1;
        memset(target, 0xff, size);
        if (memchr(target, 0, size))
            return 2;
        free(source);
        free(target);
    }
    puts("exact");
    return 0;
}
