/* Frees a variable on the stack. */
/* FLAGS: -Wno-free-nonheap-object */
#include "subject.h"

int main(void)
{
    char buffer[64];
    void *address = buffer;
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return 0;
}
