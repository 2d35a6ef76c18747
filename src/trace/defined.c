/* Whether a name is defined, by the tables that the loader itself goes by (DT_GNU_HASH).
 *
 * dlsym says so too, but where it finds nothing it writes a message, into memory from malloc. A program with a malloc of its own may be
 * inside that very function, with its lock held: jemalloc's first call reads a link, which is a checked call, whose first call looks for
 * the functions behind all of them, some of which an older libc does not have. So what may be missing is asked for here first.
 *
 * 1. libc, whose tables are remembered, has nearly all that is asked for.
 * 2. The modules one after the other (dl_iterate_phdr).
 *
 * Unlike elf.c this reads without probing: the loader has gone by the same tables already, and holds its lock meanwhile.
 *
 * Limits: versions are not looked at. A module without DT_GNU_HASH may define anything; but the vDSO, which has nothing that is asked for. */
#include "trace/defined.h"

#include <elf.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

#include "trace/elf.h"

struct tables {
    const uint32_t *hash;       /* buckets, first symbol, words of the filter, shift; the filter; buckets; chains */
    const ElfW(Sym) *symbols;
    const char *strings;
};

struct question {
    const char *name;
    uintptr_t behind;
    uint32_t hash;
    bool reached;               /* the module that `behind` lies in */
    bool maybe;
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static bool defines(const struct tables *tables, const char *name, uint32_t hash)
{
    uint32_t buckets = tables->hash[0], first = tables->hash[1], words = tables->hash[2], shift = tables->hash[3];
    const ElfW(Addr) *filter = (const ElfW(Addr) *)(const void *)(tables->hash + 4);
    const uint32_t *bucket = (const uint32_t *)(const void *)(filter + words), *chain = bucket + buckets;
    enum { BITS = 8 * sizeof *filter };
    if (!buckets || !words)
        return false;
    ElfW(Addr) word = filter[hash / BITS & (words - 1)];
    if (!(word >> (hash % BITS) & 1) || !(word >> ((hash >> shift) % BITS) & 1))
        return false;
    for (uint32_t i = bucket[hash % buckets]; i >= first; i++) {
        const ElfW(Sym) *symbol = &tables->symbols[i];
        if ((chain[i - first] | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF && same(tables->strings + symbol->st_name, name))
            return true;
        if (chain[i - first] & 1)
            break;
    }
    return false;
}

/* The loader adds the bias to these entries in place on most machines. */
static const void *pointer(const struct dl_phdr_info *module, uintptr_t end, ElfW(Addr) value)
{
    return (const void *)(uintptr_t)(value >= module->dlpi_addr && value < end ? value : module->dlpi_addr + value);
}

/* *end: of the module's segments. false: it has no table of the kind. */
static bool find_tables(const struct dl_phdr_info *module, struct tables *tables, uintptr_t *end)
{
    const ElfW(Dyn) *entry = NULL;
    *tables = (struct tables){0};
    *end = 0;
    for (unsigned i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &module->dlpi_phdr[i];
        uintptr_t at = module->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            entry = (const ElfW(Dyn) *)at;
        if (header->p_type == PT_LOAD && at + header->p_memsz > *end)
            *end = at + header->p_memsz;
    }
    for (; entry && entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_GNU_HASH)
            tables->hash = pointer(module, *end, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_SYMTAB)
            tables->symbols = pointer(module, *end, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_STRTAB)
            tables->strings = pointer(module, *end, entry->d_un.d_ptr);
    }
    return tables->hash && tables->symbols && tables->strings;
}

static uintptr_t start_of(const struct dl_phdr_info *module)
{
    for (unsigned i = 0; i < module->dlpi_phnum; i++)
        if (module->dlpi_phdr[i].p_type == PT_LOAD)
            return module->dlpi_addr + module->dlpi_phdr[i].p_vaddr;
    return 0;
}

static bool is_vdso(const struct dl_phdr_info *module)
{
    uintptr_t header = getauxval(AT_SYSINFO_EHDR);
    return header && start_of(module) == header;
}

static int ask(struct dl_phdr_info *module, size_t size, void *data)
{
    struct question *question = data;
    struct tables tables;
    uintptr_t end;
    (void)size;
    if (is_vdso(module))
        return 0;
    bool listed = find_tables(module, &tables, &end);
    if (!question->reached) {
        question->reached = question->behind >= start_of(module) && question->behind < end;
        return 0;
    }
    question->maybe = !listed || defines(&tables, question->name, question->hash);
    return question->maybe;
}

static struct tables libc;
static unsigned char libc_known;    /* atomic; 1: `libc` is filled in; 2: there is none to be found */

static int find_libc(struct dl_phdr_info *module, size_t size, void *data)
{
    struct tables *found = data, tables;
    uintptr_t end, inside = (uintptr_t)gnu_get_libc_version;
    (void)size;
    if (!find_tables(module, &tables, &end) || inside < start_of(module) || inside >= end)
        return 0;
    *found = tables;
    return 1;
}

bool defined_somewhere(const char *name, const void *behind)
{
    struct question question = {.name = name, .behind = (uintptr_t)behind, .hash = elf_name_hash(name), .reached = !behind};
    if (!__atomic_load_n(&libc_known, __ATOMIC_ACQUIRE)) {
        struct tables found;        /* two threads find the same */
        bool there = dl_iterate_phdr(find_libc, &found) != 0;
        if (there)
            libc = found;
        __atomic_store_n(&libc_known, there ? 1 : 2, __ATOMIC_RELEASE);
    }
    if (libc_known == 1 && defines(&libc, name, question.hash))
        return true;
    dl_iterate_phdr(ask, &question);
    return question.maybe || !question.reached;
}
