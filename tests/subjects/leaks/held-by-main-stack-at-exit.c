/* exit() is called inside main, whose frame is alive and holds the block: reachable. */
#include "subject.h"

int main(void)
{
    char *volatile block = malloc(96); /* LEAK: reachable 96 bytes 1 block */
    scrub();
    if (block)
        exit(0);
    return 1;
}
