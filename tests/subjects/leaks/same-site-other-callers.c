/* One helper allocates for three callers: three call stacks, three records. */
#include "subject.h"

static NOINLINE void *helper(size_t size)
{
    void *block = malloc(size); /* LEAK: definite 60 bytes 6 blocks */
    KEEP(block);
    return block;
}

static NOINLINE void one(void) { void *p = helper(10); KEEP(p); }
static NOINLINE void two(void) { void *p = helper(10); KEEP(p); p = helper(10); KEEP(p); }
static NOINLINE void three(void) { for (int i = 0; i < 3; i++) { void *p = helper(10); KEEP(p); } }

int main(void)
{
    one();
    two();
    three();
    scrub();
    return 0;
}
