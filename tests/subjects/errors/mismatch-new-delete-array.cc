/* A single object is deleted as if it were an array. */
/* FLAGS: -Wno-mismatched-new-delete */
#include "subject.h"

int main()
{
    auto *block = new int(7); /* ALLOC */
    KEEP(block);
    delete[] block; /* BUG: alloc-dealloc-mismatch free offset=0 */
    __asm__ volatile("");
}
