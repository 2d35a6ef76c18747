/* Telling the loader's thread-local storage from other blocks that it allocates, by the names of the functions on the stack. */
#include "loader_tls.h"

#include <string.h>

/* Functions of glibc's loader that allocate thread-local storage. */
static bool is_tls_function(const char *name)
{
    static const char *const names[] = {"allocate_dtv", "allocate_dtv_entry", "allocate_and_init", "_dl_resize_dtv", "tls_get_addr_tail",
                                        "_dl_allocate_tls", "_dl_allocate_tls_init", "_dl_allocate_tls_storage", "_dl_update_slotinfo",
                                        "__tls_get_addr", "__tls_get_addr_slow", "update_get_addr"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Looks at the innermost frames, as long as they are the loader's. */
bool loader_tls_stack(void *ctx, uint32_t stack)
{
    enum { DEEP = 8 };
    struct loader_tls *loader = ctx;
    struct records *records = loader->records;
    const struct record_node *nodes[DEEP];
    size_t n = records_stack(records, stack, nodes, DEEP);
    for (size_t i = 0; i < n; i++) {
        unsigned index = record_node_module(nodes[i]->place);
        const struct record_module *module = records_module(records, index);
        const struct frame *frames;
        if (!(module->flags & RECORD_MODULE_LOADER))
            return false;
        size_t count = symbols_at(loader->symbols, module, records->module_paths[index], record_node_pc(nodes[i]->place), false, &frames);
        for (size_t k = 0; k < count; k++)
            if (frames[k].function && is_tls_function(frames[k].function))
                return true;
    }
    return false;
}
