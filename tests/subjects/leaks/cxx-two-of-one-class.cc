/* A pointer to the second of two members of one class: the same vtable stands at the start of the block and where it leads. */
#include "subject.h"

struct Shape { virtual long area() { return 1; } virtual ~Shape() {} long size = 3; };
struct Pair { Shape first; long between = 2; Shape second; };

Shape *second;

static NOINLINE void make()
{
    Pair *pair = new Pair; /* LEAK: reachable 40 bytes 1 block */
    KEEP(pair);
    second = &pair->second;
}

int main()
{
    make();
    scrub();
    return second->area() == 0;
}
