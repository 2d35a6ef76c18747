/* A plugin built twice with frames of different sizes: loaded one after the other at the same address, the second must not be
 * unwound by the first one's rules. */
#include <stdlib.h>

int plugin_run(void (*hook)(void), int depth);
long plugin_lazy(const char *text);     /* its call of libc is resolved when it is made first */

#ifndef FRAME
#define FRAME 24
#endif

static __attribute__((noinline)) int plugin_deep(void (*hook)(void), int depth)
{
    volatile char buffer[FRAME];
    buffer[depth % FRAME] = 1;
    if (depth == 0) {
        hook();
        return buffer[0];
    }
    int result = plugin_deep(hook, depth - 1);
    return result + buffer[depth % FRAME];
}

int plugin_run(void (*hook)(void), int depth)
{
    int result = plugin_deep(hook, depth);
    hook();
    return result + 1;
}

long plugin_lazy(const char *text)
{
    long result = strtol(text, NULL, 10);
    return result + strtol("0", NULL, 10);
}
