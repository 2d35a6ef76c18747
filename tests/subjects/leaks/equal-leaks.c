/* Eight leaks that are alike but for their place: they are listed in the order in which the program came by, in every run. */
#include "subject.h"

/* What is allocated next lies at addresses that fall: where blocks are not held back, the last one freed is the first one given. */
static NOINLINE void turn_round(void)
{
    void *p[32];
    for (size_t i = 0; i < 32; i++)
        p[i] = malloc(24);
    for (size_t i = 0; i < 32; i++)
        free(p[i]);
}

int main(void)
{
    void *volatile p;
    turn_round();
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = malloc(24); /* LEAK: definite 24 bytes 1 block */
    p = NULL;
    KEEP(p);
    scrub();
    return 0;
}
