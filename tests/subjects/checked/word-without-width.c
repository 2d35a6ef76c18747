/* sscanf %s has no idea of the block. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    int number = 0;
    char *word = malloc(6); /* ALLOC */
    KEEP(word);
    int got = sscanf("17 elephants", "%d %s", &number, word); /* BUG: heap-buffer-overflow write offset=6 size=4 */
    KEEP(word);
    free(word);
    return got == 2 && number == 17 ? 0 : 1;
}
