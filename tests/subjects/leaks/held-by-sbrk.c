/* Held by memory from sbrk, as an old allocator would use it. */
#include <unistd.h>
#include "subject.h"

static NOINLINE int hold(void)
{
    void **memory = sbrk(65536);
    if (memory == (void *)-1)
        return 1;
    memory[1000] = malloc(77); /* LEAK: reachable 77 bytes 1 block */
    return 0;
}

int main(void)
{
    int failed = hold();
    scrub();
    return failed;
}
