/* Two lost owners share one child: it is indirect once. */
#include "subject.h"

struct owner { void *child; long pad[2]; };

static NOINLINE struct owner *own(void *child)
{
    struct owner *owner = calloc(1, sizeof *owner); /* LEAK: definite 48 bytes 2 blocks over 70 bytes 1 block */
    KEEP(owner);
    owner->child = child;
    return owner;
}

static NOINLINE void build(void)
{
    void *child = calloc(1, 70); /* LEAK: indirect 70 bytes 1 block */
    KEEP(child);
    struct owner *a = own(child), *b = own(child);
    KEEP(a);
    KEEP(b);
}

int main(void)
{
    build();
    scrub();
    return 0;
}
