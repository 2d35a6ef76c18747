/* A plugin that holds a block in its initialised data, one in its zeroed data, one in static thread-local storage. */
#include "subject.h"

void *initialised[30] = { (void *)1 };
static void *zeroed[3000];
static _Thread_local void *local[4] __attribute__((tls_model("initial-exec")));

void plugin_keep(void)
{
    initialised[11] = malloc(643); /* LEAK: reachable 643 bytes 1 block */
    zeroed[2999] = malloc(644); /* LEAK: reachable 644 bytes 1 block */
    local[3] = malloc(645); /* LEAK: reachable 645 bytes 1 block */
    KEEP(initialised[11]);
    KEEP(zeroed[2999]);
    KEEP(local[3]);
}
