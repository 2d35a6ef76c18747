/* A library loaded and unloaded a hundred times; what it allocates is freed by the program after it has gone. */
/* PLUGIN: dlopen-loop-code.c */
/* LINK: -ldl -Wl,-rpath,$ORIGIN */
#include <dlfcn.h>
#include "subject.h"

int main(void)
{
    size_t total = 0;
    for (int i = 0; i < 100; i++) {
        void *library = dlopen("dlopen-loop-code.so", i % 2 ? RTLD_LAZY : RTLD_NOW);
        if (!library)
            return 1;
        char *(*name)(void) = (char *(*)(void))dlsym(library, "library_name");
        char *text = name();
        dlclose(library);
        total += strlen(text);
        free(text);
    }
    if (dlopen("no-such-library.so", RTLD_NOW))
        return 2;
    printf("%zu %d\n", total, dlerror() != NULL);
    return 0;
}
