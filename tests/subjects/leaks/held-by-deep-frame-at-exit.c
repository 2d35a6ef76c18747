/* exit() some frames down: every frame below main is alive. */
#include "subject.h"

static NOINLINE void deeper(int depth)
{
    void *volatile block[2] = { malloc(10), NULL }; /* LEAK: reachable 50 bytes 5 blocks */
    if (depth)
        deeper(depth - 1);
    else
        exit(0);
    KEEP(block[1]);
}

int main(void)
{
    deeper(4);
    return 0;
}
