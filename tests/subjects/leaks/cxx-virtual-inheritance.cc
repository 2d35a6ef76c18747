/* Held by a pointer to a virtual base. */
#include "subject.h"

struct Base { virtual ~Base() {} long base = 1; };
struct Middle : virtual Base { long middle = 2; };
struct Derived : Middle { long derived = 3; };

Base *held;

static NOINLINE void make()
{
    Derived *derived = new Derived; /* LEAK: reachable 40 bytes 1 block */
    held = derived;
    KEEP(held);
}

int main()
{
    make();
    scrub();
}
