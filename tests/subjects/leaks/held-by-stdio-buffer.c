/* DIFFERS: memcheck looks after libc has taken its buffers from the streams */
/* A buffer that the program gave to a stream which is still open at the end: the stream holds it. */
#include "subject.h"

static NOINLINE void give(void)
{
    char *buffer = malloc(4096); /* LEAK: reachable 4096 bytes 1 block */
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
