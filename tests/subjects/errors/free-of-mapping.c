/* Frees memory that came from mmap. */
#include <sys/mman.h>
#include "subject.h"

int main(void)
{
    void *address = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return munmap(address, 65536);
}
