/* A plugin that holds a block in its data and one in a thread-local variable, whose memory the loader frees only when the thread asks
 * for such a variable again. */
#include "subject.h"

void *plugin_data[30];
static _Thread_local void *local[30];

void plugin_keep(void)
{
    plugin_data[11] = malloc(641); /* LEAK: definite 641 bytes 1 block */
    local[12] = malloc(642); /* LEAK: reachable 642 bytes 1 block */
    KEEP(plugin_data[11]);
    KEEP(local[12]);
}
