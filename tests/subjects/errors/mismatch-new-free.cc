/* An object from new is given to free(). */
/* FLAGS: -Wno-mismatched-new-delete */
#include "subject.h"

int main()
{
    auto *block = new long(5); /* ALLOC */
    KEEP(block);
    free(block); /* BUG: alloc-dealloc-mismatch free offset=0 */
    __asm__ volatile("");
}
