/* A start pointer and an interior pointer: the start pointer wins. */
#include "subject.h"

char *start, *middle;

int main(void)
{
    start = malloc(64); /* LEAK: reachable 64 bytes 1 block */
    middle = start + 20;
    scrub();
    return 0;
}
