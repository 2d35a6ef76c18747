/* A callback keeps a reference to an object that was deleted. */
#include "subject.h"

struct Counter { long hits[4]; };

static NOINLINE void callback(Counter *counter)
{
    ((volatile Counter *)counter)->hits[2] = 0x4141414141414141; /* BUG: heap-use-after-free write offset=16 size=8 */
}

int main()
{
    Counter *counter = new Counter(); /* ALLOC */
    Counter *kept = counter;
    KEEP(counter);
    KEEP(kept);
    delete counter; /* FREE */
    callback(kept);
}
