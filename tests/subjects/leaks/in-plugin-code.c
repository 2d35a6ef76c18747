/* A plugin that loses memory; loaded and unloaded by in-plugin.c. */
#include "subject.h"

static NOINLINE void *plugin_buffer(size_t size)
{
    void *buffer = malloc(size); /* LEAK: definite 3210 bytes 1 block */
    KEEP(buffer);
    return buffer;
}

void plugin_work(void)
{
    void *buffer = plugin_buffer(3210);
    KEEP(buffer);
}
