/* qsort allocates its own scratch for big arrays; bsearch, hsearch, tsearch trees. */
#include <search.h>
#include "subject.h"

static int compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return x < y ? -1 : x > y;
}

int main(void)
{
    size_t n = 20000;
    long *numbers = malloc(n * sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = (long)(i * 7919 % n);
    qsort(numbers, n, sizeof *numbers, compare);
    long key = 777;
    long *found = bsearch(&key, numbers, n, sizeof *numbers, compare);
    void *tree = NULL;
    for (size_t i = 0; i < 1000; i++)
        tsearch(&numbers[i], &tree, compare);
    for (size_t i = 0; i < 1000; i++)
        tdelete(&numbers[i], &tree, compare);
    printf("%ld %d\n", found - numbers, tree == NULL);
    free(numbers);
    return 0;
}
