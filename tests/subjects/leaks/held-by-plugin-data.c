/* Held by the data of a library that was loaded with dlopen, initialised and not. */
/* KEEPS: the loader, of the library that stays open */
/* PLUGIN: held-by-plugin-data-code.c */
/* LINK: -ldl -Wl,-rpath,$ORIGIN */
#include <dlfcn.h>
#include "subject.h"

int main(void)
{
    void *plugin = dlopen("held-by-plugin-data-code.so", RTLD_NOW);
    if (!plugin)
        return 1;
    void (*keep)(void) = (void (*)(void))dlsym(plugin, "plugin_keep");
    keep();
    scrub();
    return 0;
}
