/* An array is deleted as if it were a single object. */
/* FLAGS: -Wno-mismatched-new-delete */
#include "subject.h"

int main()
{
    auto *block = new int[10]; /* ALLOC */
    KEEP(block);
    delete block; /* BUG: alloc-dealloc-mismatch free offset=0 */
    __asm__ volatile("");
}
