/* Reallocates a variable on the stack. */
/* FLAGS: -Wno-free-nonheap-object */
#include "subject.h"

int main(void)
{
    char buffer[32];
    void *address = buffer;
    KEEP(address);
    void *moved = realloc(address, 100); /* BUG: invalid-free free */
    KEEP(moved);
    return 0;
}
