/* A plugin with a thread-local variable of its own (dynamic TLS). */
#include "subject.h"

static _Thread_local void *kept[40];

void plugin_keep(void)
{
    kept[17] = malloc(640); /* LEAK: reachable 640 bytes 1 block */
    KEEP(kept[17]);
}
