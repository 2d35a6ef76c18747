/* A library's data held a block; it was closed. */
/* PLUGIN: lost-with-plugin-code.c */
/* LINK: -ldl -Wl,-rpath,$ORIGIN */
#include <dlfcn.h>
#include "subject.h"

int main(void)
{
    void *plugin = dlopen("lost-with-plugin-code.so", RTLD_NOW);
    if (!plugin)
        return 1;
    void (*keep)(void) = (void (*)(void))dlsym(plugin, "plugin_keep");
    keep();
    dlclose(plugin);
    scrub();
    return 0;
}
