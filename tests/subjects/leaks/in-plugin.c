/* The leak is in a library that is gone when the program ends; its functions and lines are still wanted. */
/* PLUGIN: in-plugin-code.c */
/* LINK: -ldl -Wl,-rpath,$ORIGIN */
#include <dlfcn.h>
#include "subject.h"

static NOINLINE int use(void)
{
    void *plugin = dlopen("in-plugin-code.so", RTLD_NOW);
    if (!plugin)
        return 1;
    void (*work)(void) = (void (*)(void))dlsym(plugin, "plugin_work");
    work();
    return dlclose(plugin);
}

int main(void)
{
    int failed = use();
    scrub();
    return failed;
}
