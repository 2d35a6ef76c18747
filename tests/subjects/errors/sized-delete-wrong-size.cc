/* A sized delete through a pointer to a base that is smaller than the object. */
/* FLAGS: -fsized-deallocation */
/* ORACLE: none */
#include <new>
#include "subject.h"

int main()
{
    void *block = ::operator new(48); /* ALLOC */
    KEEP(block);
    ::operator delete(block, size_t{16}); /* BUG: sized-delete-mismatch free offset=0 */
    __asm__ volatile("");
}
