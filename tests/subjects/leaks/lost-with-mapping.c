/* The mappings that held the blocks are gone. */
#include <sys/mman.h>
#include "subject.h"

static NOINLINE int hold(int flags, size_t size)
{
    void **mapping = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return 1;
    mapping[70000] = malloc(size); /* LEAK: definite 177 bytes 2 blocks */
    return munmap(mapping, 1 << 20);
}

int main(void)
{
    int failed = hold(MAP_PRIVATE, 88) | hold(MAP_SHARED, 89);
    scrub();
    return failed;
}
