/* A buffer given to a stream that is still open: libc forgets it when it releases its streams, for memcheck as here. */
#include "subject.h"

static NOINLINE void give(void)
{
    char *buffer = malloc(4096); /* LEAK: definite 4096 bytes 1 block */
    KEEP(buffer);
    setvbuf(stdout, buffer, _IOFBF, 4096);
    puts("buffered");
}

int main(void)
{
    give();
    scrub();
    return 0;
}
