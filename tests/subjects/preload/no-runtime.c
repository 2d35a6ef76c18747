/* FLAGS: -D_GNU_SOURCE */
/* PLUGIN: no-runtime-plugin.cpp */
/* Calls operator new without a C++ library (argv[1] none), or by a C++ plugin that was opened privately (argv[1] its path). */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    void *(*operator_new)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
    void (*operator_delete)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "_ZdlPv");
    if (argc > 1) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        int (*run)(void) = plugin ? (int (*)(void))dlsym(plugin, "run") : NULL;
        if (!run)
            return 9;
        printf("plugin: %d\n", run());
        return 0;
    }
    if (!operator_new || !operator_delete)
        return 9;
    char *block = operator_new(100);
    strcpy(block, "works");
    printf("new without a library: %s\n", block);
    operator_delete(block);
    fflush(stdout);
    operator_new(SIZE_MAX);
    return 0;
}
