/* Two plugins, the second loaded where the first had been: each leak keeps its own function and line. */
/* PLUGIN: two-plugins-one-address-a.c */
/* PLUGIN: two-plugins-one-address-b.c */
/* LINK: -ldl -Wl,-rpath,$ORIGIN */
#include <dlfcn.h>
#include "subject.h"

static NOINLINE void use(const char *name)
{
    void *plugin = dlopen(name, RTLD_NOW);
    if (!plugin)
        abort();
    void (*work)(void) = (void (*)(void))dlsym(plugin, "plugin_work");
    work();
    dlclose(plugin);
}

int main(void)
{
    use("two-plugins-one-address-a.so");
    use("two-plugins-one-address-b.so");
    scrub();
    return 0;
}
