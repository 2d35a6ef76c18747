/* Held by memory that the program mapped itself. */
#include <sys/mman.h>
#include "subject.h"

static NOINLINE int hold(void)
{
    void **mapping = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return 1;
    mapping[70000] = malloc(88); /* LEAK: reachable 88 bytes 1 block */
    return 0;
}

int main(void)
{
    int failed = hold();
    scrub();
    return failed;
}
