/* The classic off-by-one loop over an array from calloc. */
#include "subject.h"

static NOINLINE void fill(int *numbers, int n)
{
    for (int i = 0; i <= n; i++)
        ((volatile int *)numbers)[i] = 0x41414141; /* BUG: heap-buffer-overflow write offset=40 size=4 */
}

int main(void)
{
    int *numbers = calloc(10, sizeof *numbers); /* ALLOC */
    KEEP(numbers);
    fill(numbers, 10);
    free(numbers); /* FREE */
    return 0;
}
