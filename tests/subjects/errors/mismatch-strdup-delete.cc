/* A string from strdup is given to delete. */
/* FLAGS: -Wno-mismatched-new-delete */
#include "subject.h"

int main()
{
    auto *block = strdup("from libc"); /* ALLOC */
    KEEP(block);
    delete block; /* BUG: alloc-dealloc-mismatch free offset=0 */
    __asm__ volatile("");
}
