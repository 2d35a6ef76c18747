/* Held by a pointer to the second base, which lies inside the object and begins with a vtable of its own. */
#include "subject.h"

struct Left { virtual ~Left() {} long l = 1; };
struct Right { virtual ~Right() {} long r = 2; };
struct Both : Left, Right { long b = 3; };

Right *held;

static NOINLINE void make()
{
    Both *both = new Both; /* LEAK: reachable 40 bytes 1 block */
    held = both;
    KEEP(held);
}

int main()
{
    make();
    scrub();
}
