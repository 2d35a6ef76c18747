/* DIFFERS: memcheck lets no pointer past the end hold a block; new[0] of a type with a destructor gives just that */
/* An array of no elements: the address that new[] gives is the end of its block, which holds only the count. */
#include "subject.h"

struct Held { long value; ~Held() { value = 0; } };

Held *array;

int main()
{
    size_t none = 0;
    KEEP(none);
    array = new Held[none]; /* LEAK: reachable 8 bytes 1 block */
    scrub();
}
