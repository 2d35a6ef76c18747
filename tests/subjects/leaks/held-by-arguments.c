/* Held by the vector of the program's arguments, which lies above the stack's first frame. */
#include "subject.h"

static NOINLINE void hold(char **arguments)
{
    arguments[0] = malloc(91); /* LEAK: reachable 91 bytes 1 block */
    strcpy(arguments[0], "renamed");
}

int main(int argc, char **argv)
{
    hold(argv);
    scrub();
    return argc == 0;
}
