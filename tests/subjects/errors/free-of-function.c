/* Frees the address of a function. */
#include "subject.h"

int main(void)
{
    void *address = (void *)main;
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return 0;
}
