/* An over-aligned object deleted through the form that knows no alignment. */
/* FLAGS: -std=c++17 */
/* ORACLE: none */
#include <new>
#include "subject.h"

int main()
{
    void *block = ::operator new(64, std::align_val_t{64}); /* ALLOC */
    KEEP(block);
    ::operator delete(block); /* BUG: sized-delete-mismatch free offset=0 */
    __asm__ volatile("");
}
