/* A buffer that grew by little steps, mostly where it stood: the byte behind its present end is guarded, not the one behind an earlier. */
#include "subject.h"

int main(void)
{
    char *buffer = malloc(5000);
    for (size_t size = 5000; size < 9000; size += 8) {
        buffer = realloc(buffer, size); /* ALLOC */
        memset(buffer, 1, size);
        KEEP(buffer);
    }
    KEEP(buffer);
    ((volatile char *)buffer)[8992] = 1; /* BUG: heap-buffer-overflow write offset=8992 size=1 */
    free(buffer); /* FREE */
    return 0;
}
