/* Frees a global variable. */
/* FLAGS: -Wno-free-nonheap-object */
#include "subject.h"

static char buffer[256];

int main(void)
{
    void *address = buffer;
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return 0;
}
