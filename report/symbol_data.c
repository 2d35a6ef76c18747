/* Variables from the ELF symbol table: of the file, or of its separate debug information, which has local ones as well.
 *
 * Sorted by address; at one address the larger and then the global one comes first. A name is met by
 *   itself                    main_cache, cache.3
 *   itself, demangled         ns::cache
 *   itself without its tag    ns::cache for ns::cache[abi:cxx11]
 *   what stands before ".N"   cache for cache.3: what compilers make of a static variable in a function
 *
 * Limits: variables that the optimiser took away have no symbol; thread-local ones are told apart, for each thread has its own. */
#include "symbol_data.h"
#include "sorted.h"

#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

struct symbol_data {
    struct variable *list;      /* by address */
    size_t n;
};

static int by_address(const void *left, const void *right)
{
    const struct variable *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    if (a->local != b->local)
        return a->local ? 1 : -1;
    return strcmp(a->name, b->name);
}

static const char *plain_name(struct arena *arena, const char *name)
{
    char *plain = strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0 ? cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO) : NULL;
    const char *kept = arena_text(arena, plain ? plain : name, strlen(plain ? plain : name));
    free(plain);
    return kept;
}

static void read_symbols(struct symbol_data *data, struct symbol_file *file, struct arena *arena)
{
    int n = file->module ? dwfl_module_getsymtab(file->module) : 0;
    size_t room = 0;
    for (int i = 1; i < n; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        GElf_Word section;
        const char *name = dwfl_module_getsym_info(file->module, i, &symbol, &address, &section, NULL, NULL);
        unsigned type = GELF_ST_TYPE(symbol.st_info);
        if (!name || !*name || section == SHN_UNDEF || symbol.st_size == 0 || (type != STT_OBJECT && type != STT_TLS))
            continue;
        if (data->n == room)
            data->list = memory_resize(data->list, room = room ? 2 * room : 256, sizeof *data->list);
        data->list[data->n++] = (struct variable){
            .name = plain_name(arena, name), .address = type == STT_TLS ? symbol.st_value : address - file->bias,
            .size = symbol.st_size, .thread_local_one = type == STT_TLS, .local = GELF_ST_BIND(symbol.st_info) == STB_LOCAL};
    }
    if (data->n)
        qsort(data->list, data->n, sizeof *data->list, by_address);
}

const struct symbol_data *symbol_data_of(struct symbol_file *file, struct arena *arena)
{
    if (!file->data) {
        file->data = memory_new(1, sizeof *file->data);
        if (!file->unusable)
            read_symbols(file->data, file, arena);
    }
    return file->data;
}

void symbol_data_free(struct symbol_data *data)
{
    if (data)
        free(data->list);
    free(data);
}

bool symbol_data_at(const struct symbol_data *data, uint64_t address, struct variable *variable)
{
    enum { BACK = 16 };         /* symbols that begin between a variable's start and `address`: aliases, members of unions */
    size_t low = SORTED_UP_TO(data->list, data->n, address, address);
    bool found = false;
    for (size_t i = low, tried = 0; i-- > 0 && tried < BACK; tried++) {
        const struct variable *candidate = &data->list[i];
        if (candidate->thread_local_one || address - candidate->address >= candidate->size)
            continue;
        if (found && candidate->address != variable->address)
            break;              /* an enclosing one says less; of those at one address the first in order wins */
        *variable = *candidate;
        found = true;
    }
    return found;
}

static bool is_called(const char *name, const char *wanted)
{
    size_t n = strlen(wanted);
    if (strncmp(name, wanted, n) != 0)
        return false;
    if (strncmp(name + n, "[abi:", 5) == 0)
        n += strcspn(name + n, "]") + 1;
    return !name[n] || (name[n] == '.' && name[n + 1] && name[n + 1 + strspn(name + n + 1, "0123456789")] == '\0');
}

void symbol_data_named(const struct symbol_data *data, const char *name, struct variable *list, size_t room, size_t *n)
{
    for (size_t i = 0; i < data->n; i++) {
        if (!is_called(data->list[i].name, name))
            continue;
        if (i && data->list[i - 1].address == data->list[i].address && strcmp(data->list[i - 1].name, data->list[i].name) == 0)
            continue;           /* the same variable twice, as from two symbol tables */
        if (*n < room)
            list[*n] = data->list[i];
        ++*n;
    }
}
