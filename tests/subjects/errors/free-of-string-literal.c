/* Frees a string constant. */
#include "subject.h"

int main(void)
{
    void *address = (void *)"a constant";
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return 0;
}
