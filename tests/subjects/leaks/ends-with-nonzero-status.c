/* The program's own status is not zero; the leaks are reported all the same. */
#include "subject.h"

static NOINLINE void lose(void)
{
    void *block = malloc(68); /* LEAK: definite 68 bytes 1 block */
    KEEP(block);
}

int main(void)
{
    lose();
    scrub();
    return 9;
}
