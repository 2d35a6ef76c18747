/* First of two plugins that are likely to be loaded at the same address, one after the other. */
#include "subject.h"

void plugin_work(void)
{
    void *alpha = malloc(111); /* LEAK: definite 111 bytes 1 block */
    KEEP(alpha);
}
