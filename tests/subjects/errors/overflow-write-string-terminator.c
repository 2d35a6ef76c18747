/* malloc(strlen(s)): no room for the terminating NUL, which lands one byte past the end. */
#include "subject.h"

static NOINLINE char *copy(const char *text)
{
    size_t length = strlen(text);
    char *block = malloc(length); /* ALLOC */
    KEEP(block);
    for (size_t i = 0; i <= length; i++)
        ((volatile char *)block)[i] = text[i]; /* BUG: heap-buffer-overflow write offset=13 size=1 */
    return block;
}

int main(int argc, char **argv)
{
    const char *text = "thirteen char";
    KEEP(text);
    char *block = copy(text);
    KEEP(block);
    free(block); /* FREE */
    return 0;
}
