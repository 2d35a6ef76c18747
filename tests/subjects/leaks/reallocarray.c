/* reallocarray: memcheck 3.19 does not know it and sees its realloc, so the figures agree. */
#include "subject.h"

static NOINLINE void lose(void)
{
    long *numbers = reallocarray(NULL, 20, sizeof *numbers); /* LEAK: definite 160 bytes 1 block */
    KEEP(numbers);
}

int main(void)
{
    lose();
    scrub();
    return 0;
}
