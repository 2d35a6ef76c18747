/* The leak lies under more frames than a stack keeps. */
#include "subject.h"

static NOINLINE int descend(int depth)
{
    int result = 0;
    if (depth == 0) {
        void *block = malloc(123); /* LEAK: definite 123 bytes 1 block */
        KEEP(block);
    } else {
        result = descend(depth - 1) + 1;
    }
    KEEP(result);
    return result;
}

int main(void)
{
    int depth = descend(300);
    scrub();
    return depth != 300;
}
