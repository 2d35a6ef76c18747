/* free leaves errno alone; an impossible malloc sets ENOMEM. */
/* ORACLE: none */
#include <errno.h>
#include "subject.h"

int main(void)
{
    int good = 1;
    for (size_t size = 1; size < 20000000; size *= 5) {
        void *block = malloc(size);
        KEEP(block);
        errno = EISDIR;
        free(block);
        good &= errno == EISDIR;
    }
    size_t absurd = (size_t)1 << 60;
    KEEP(absurd);
    errno = 0;
    void *none = malloc(absurd);
    good &= none == NULL && errno == ENOMEM;
    errno = 0;
    none = calloc(absurd, 1);
    good &= none == NULL && errno == ENOMEM;
    char *kept = malloc(100);
    strcpy(kept, "kept");
    errno = 0;
    none = realloc(kept, absurd);
    good &= none == NULL && errno == ENOMEM && strcmp(kept, "kept") == 0;
    free(kept);
    printf("%d\n", good);
    return 0;
}
