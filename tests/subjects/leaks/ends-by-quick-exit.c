/* The program ends by quick_exit(3), which runs no exit handlers. */
#include <sys/syscall.h>
#include <unistd.h>
#include "subject.h"

static NOINLINE void lose(void)
{
    void *block = malloc(64); /* LEAK: definite 64 bytes 1 block */
    KEEP(block);
}

int main(void)
{
    lose();
    scrub();
    quick_exit(3);
    return 0;
}
