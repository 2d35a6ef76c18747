/* Loading libraries late: see late.h. A library that was loaded stays. */
#include "late.h"

#include <dlfcn.h>
#include <stddef.h>

#include "say.h"

void *late_find(const char *library, const char *name, void **slot)
{
    static const char missing;
    void *found = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (!found) {
        void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        found = handle ? dlsym(handle, name) : NULL;
        if (!found) {
            const char *why = dlerror();
            say("cannot use %s: %s", library, why ? why : name);
            found = (void *)(__UINTPTR_TYPE__)&missing;
        }
        __atomic_store_n(slot, found, __ATOMIC_RELEASE);
    }
    return found == (const void *)&missing ? NULL : found;
}
