/* Lost as late as in an exit handler and in a destructor. */
#include "subject.h"

static NOINLINE void lose(size_t size)
{
    void *block = malloc(size); /* LEAK: definite 43 bytes 2 blocks */
    KEEP(block);
}

static void handler(void)
{
    lose(21);
    scrub();
}

static __attribute__((destructor)) void destructor(void)
{
    lose(22);
    scrub();
}

int main(void)
{
    atexit(handler);
    return 0;
}
