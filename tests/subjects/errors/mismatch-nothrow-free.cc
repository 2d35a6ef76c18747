/* An array from the nothrow form of new[] is given to free(). */
/* FLAGS: -Wno-mismatched-new-delete */
#include <new>
#include "subject.h"

int main()
{
    auto *block = new (std::nothrow) int[3]; /* ALLOC */
    KEEP(block);
    free(block); /* BUG: alloc-dealloc-mismatch free offset=0 */
    __asm__ volatile("");
}
