/* Second of the two. */
#include "subject.h"

int plugin_padding;

void plugin_work(void)
{
    plugin_padding++;
    void *beta = malloc(222); /* LEAK: definite 222 bytes 1 block */
    KEEP(beta);
}
