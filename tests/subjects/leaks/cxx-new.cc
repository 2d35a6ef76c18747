/* Lost objects from every form of new. */
#include <new>
#include "subject.h"

struct alignas(64) Wide { char bytes[64]; };

static NOINLINE void lose()
{
    void *block = new int(3); /* LEAK: definite 4 bytes 1 block */
    KEEP(block);
    block = new char[33]; /* LEAK: definite 33 bytes 1 block */
    KEEP(block);
    block = new (std::nothrow) long; /* LEAK: definite 8 bytes 1 block */
    KEEP(block);
    block = new (std::nothrow) short[5]; /* LEAK: definite 10 bytes 1 block */
    KEEP(block);
    block = new Wide; /* LEAK: definite 64 bytes 1 block */
    KEEP(block);
    block = new Wide[2]; /* LEAK: definite 128 bytes 1 block */
    KEEP(block);
}

int main()
{
    lose();
    scrub();
}
