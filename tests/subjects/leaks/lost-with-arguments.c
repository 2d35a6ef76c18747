/* The vector of the program's arguments held a block, and does so no longer. */
#include "subject.h"

static NOINLINE void hold(char **arguments)
{
    arguments[0] = malloc(92); /* LEAK: definite 92 bytes 1 block */
    strcpy(arguments[0], "renamed");
    KEEP(arguments[0]);
    arguments[0] = NULL;
}

int main(int argc, char **argv)
{
    hold(argv);
    scrub();
    return argc == 0;
}
