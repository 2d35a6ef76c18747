/* Pointers one past the end, kept and compared but never followed; memcpy of zero bytes with null pointers. */
#include "subject.h"

struct range { char *first, *last; };

int main(void)
{
    struct range *range = malloc(sizeof *range);
    range->first = malloc(48);
    range->last = range->first + 48;
    size_t n = 0;
    for (char *p = range->first; p != range->last; p++)
        *p = (char)n++;
    void *none = NULL;
    KEEP(none);
    size_t zero = 0;
    KEEP(zero);
    memcpy(none, range->first, zero);
    memcpy(range->last, none, zero);
    memmove(none, none, zero);
    memset(none, 1, zero);
    free(NULL);
    printf("%zu %d\n", n, range->first[47]);
    free(range->first);
    free(range);
    return 0;
}
