/* A large block that a global holds, and at its far end the only pointer to a small one. */
#include "subject.h"

char *large;

int main(void)
{
    large = malloc(4000000); /* LEAK: reachable 4000000 bytes 1 block */
    memset(large, 0, 4000000);
    *(void **)(large + 3999992) = malloc(18); /* LEAK: reachable 18 bytes 1 block */
    scrub();
    return 0;
}
