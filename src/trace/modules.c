/* The list of modules, by load epochs.
 *
 * A module is entered when a stack first shows a pc in it, and its entry stays when it is unloaded, so that old stacks can
 * still be symbolised. When another file is loaded at the same address, that is another entry: the epoch in which an entry was
 * found gone tells them apart.
 *
 * 1. modules_known: a small cache page → module in front of a walk over the entries, newest first. Lock-free.
 * 2. modules_of: where that fails, _dl_find_object names the object, without the loader's lock and in signal handlers too;
 *    the ELF headers in memory give extent and build id, the loader's link_map gives the path.
 * 3. modules_refresh: each living entry is looked up again. Gone is what the loader does not find any more, or finds with
 *    another handle, extent or dynamic section, or what shows another build id: a plugin that was rebuilt and loaded again may
 *    agree in all the rest.
 * 4. A file that is loaded again at its old place, with the same build id, gets its old entry: the same code at the same
 *    addresses. Programs load and unload the same plugin a hundred thousand times.
 *
 * What is read of a module that one of the calling thread's own frames is in cannot go away. What modules_refresh reads of
 * others can, when another thread runs dlclose: each page is probed first, which leaves the instant between probe and read.
 *
 * Limits: 65,535 loads; later ones share index 0 (no module), their stacks show bare addresses. Without _dl_find_object
 * (glibc before 2.35) dl_iterate_phdr is used, which takes the loader's lock. */
#include "trace/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/table.h"
#include "format/site.h"
#include "trace/elf.h"

#define MODULES_MAX 65536u
#define CHUNK_SHIFT 6

/* What is kept of a module beside its record. */
struct side {
    uint64_t build_id;      /* address of the build id in memory; 0: none */
    uint64_t dynamic;       /* link_map.l_ld */
    uint64_t identity;      /* site_module() */
    struct module_tables tables;
};

/* What the loader says about an address. */
struct object {
    uintptr_t start, end;
    uintptr_t bias;
    uintptr_t dynamic;
    uintptr_t link_map;     /* 0: the loader did not say */
    const char *name;
};

extern int _dl_find_object(void *address, struct dl_find_object *result) __attribute__((weak));

static struct record_table sides;
static struct lock modules_lock = LOCK_INIT(LOCK_RANK_MODULES);
struct modules_quick modules_quick = {.epoch = 1};     /* the epoch: modules_lock to write */

/* page → module: the page's number in the high 48 bits, the module's index in the low 16. Each word is whole by itself and
 * checked against the entry, so that an old one does no harm. */
#define CACHE_WORDS 4096u
static uint64_t cache[CACHE_WORDS];

static char program_path[4096];     /* of the executable; fixed after start; "": unknown */

static struct record_table *table(void)
{
    return anchor_table(RECORD_TABLE_MODULES);
}

struct record_module *modules_at(unsigned index)
{
    return index ? table_at(table(), index) : NULL;
}

void modules_suspect(void)
{
    __atomic_store_n(&modules_quick.suspicion, 1, __ATOMIC_RELEASE);
}

static const struct side *side_of(unsigned index)
{
    return index && index < __atomic_load_n(&table()->count, __ATOMIC_ACQUIRE) ? table_at(&sides, index) : NULL;
}

uint64_t modules_identity(unsigned index)
{
    const struct side *side = side_of(index);
    return side ? side->identity : 0;
}

bool modules_tables(unsigned index, struct module_tables *tables)
{
    const struct side *side = side_of(index);
    if (!side || !side->tables.end)
        return false;
    *tables = side->tables;
    return true;
}

/* ---- asking the loader -------------------------------------------------------------------------------------------------- */

static void from_link_map(struct object *object, const struct link_map *map)
{
    object->link_map = (uintptr_t)map;
    object->bias = map->l_addr;
    object->dynamic = (uintptr_t)map->l_ld;
    object->name = map->l_name;
}

struct search {
    uintptr_t pc;
    struct object *object;
};

static int search_one(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    uintptr_t low = UINTPTR_MAX, high = 0, dynamic = 0;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_DYNAMIC)
            dynamic = info->dlpi_addr + header->p_vaddr;
        if (header->p_type != PT_LOAD)
            continue;
        if (header->p_vaddr < low)
            low = header->p_vaddr;
        if (header->p_vaddr + header->p_memsz > high)
            high = header->p_vaddr + header->p_memsz;
    }
    if (low >= high || search->pc < info->dlpi_addr + low || search->pc >= info->dlpi_addr + high)
        return 0;
    *search->object = (struct object){
        .start = (info->dlpi_addr + low) & ~(kernel_page_size() - 1),
        .end = info->dlpi_addr + high,
        .bias = info->dlpi_addr,
        .dynamic = dynamic,
        .name = info->dlpi_name,
    };
    return 1;
}

static bool ask_loader(uintptr_t pc, struct object *object)
{
    if (_dl_find_object) {
        struct dl_find_object found;
        if (_dl_find_object((void *)pc, &found) != 0)
            return false;
        from_link_map(object, found.dlfo_link_map);
        object->start = (uintptr_t)found.dlfo_map_start;
        object->end = (uintptr_t)found.dlfo_map_end;
        return true;
    }
    struct search search = {pc, object};
    return dl_iterate_phdr(search_one, &search) == 1;
}

/* ---- entering a module -------------------------------------------------------------------------------------------------- */

static const char *last_component(const char *path)
{
    const char *last = path;
    for (; *path; path++)
        if (*path == '/')
            last = path + 1;
    return last;
}

static bool begins(const char *text, const char *with)
{
    for (; *with; text++, with++)
        if (*text != *with)
            return false;
    return true;
}

static uint32_t flags_of(const struct object *object, const struct elf_image *image, const char *path)
{
    uint32_t flags = 0;
    uintptr_t here = (uintptr_t)&modules_of, vdso = getauxval(AT_SYSINFO_EHDR);
    const char *name = last_component(path);
    uintptr_t headers = getauxval(AT_PHDR);     /* the kernel's word for where the program itself is */
    if (headers >= object->start && headers < object->end)
        flags |= RECORD_MODULE_MAIN;
    if (modules_quick.loader_text >= object->start && modules_quick.loader_text < object->end)
        flags |= RECORD_MODULE_LOADER;
    if (here >= object->start && here < object->end)
        flags |= RECORD_MODULE_SELF;
    if (vdso && vdso >= object->start && vdso < object->end)
        flags |= RECORD_MODULE_VDSO;
    if (begins(name, "libc.so") || begins(name, "libc-2."))
        flags |= RECORD_MODULE_LIBC;
    if (flags & (RECORD_MODULE_SELF | RECORD_MODULE_LOADER | RECORD_MODULE_LIBC | RECORD_MODULE_VDSO))
        return flags;
    if (!begins(name, "libstdc++.so") && !begins(name, "libc++.so") && !begins(name, "libc++abi.so")
        && (elf_defines(image, "_Znwm") || elf_defines(image, "_ZdlPv")))
        flags |= RECORD_MODULE_OPERATORS;
    if ((flags & RECORD_MODULE_MAIN) && elf_defines(image, "malloc"))
        __atomic_or_fetch(&midden_anchor.coverage, RECORD_COVER_STATIC_ALLOCATOR, __ATOMIC_RELAXED);
    return flags;
}

/* A path from where the process stands, made absolute in buffer[size]: who reads it stands somewhere else. Where that fails: as it is. The
 * program may have changed its directory since the module was loaded; then the file is another one or none, and its build id says so. */
static const char *absolute(const char *path, char *buffer, size_t size)
{
    long got = kernel_call(SYS_getcwd, (long)(uintptr_t)buffer, (long)size, 0, 0, 0, 0);      /* its bytes, NUL included */
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    size_t folder = got > 1 ? (size_t)got - 1 : 0, n = memory_length(path);
    if (!folder || buffer[0] != '/' || folder + n + 2 > size)
        return path;
    if (buffer[folder - 1] != '/')
        buffer[folder++] = '/';
    memory_copy(buffer + folder, path, n + 1);
    return buffer;
}

/* The path of an object, NUL terminated, in buffer[size] or where the loader keeps it. "": unknown. */
static const char *path_of(const struct object *object, char *buffer, size_t size)
{
    const char *path = object->name && *object->name ? object->name : program_path;
    return *path == '/' || last_component(path) == path ? path : absolute(path, buffer, size);
}

static void mark_gone(struct record_module *module)
{
    uint32_t next = modules_quick.epoch + 1;
    __atomic_store_n(&module->unloaded, next, __ATOMIC_RELEASE);
    __atomic_store_n(&modules_quick.epoch, next, __ATOMIC_RELEASE);
}

/* A living entry for the object; if it is there under another identity, that one has gone unnoticed. modules_lock. */
static unsigned find_entry(const struct object *object)
{
    for (uint64_t i = table()->count; i > 1; i--) {
        struct record_module *module = table_known(table(), i - 1);
        if (module->unloaded || module->end <= object->start || module->start >= object->end)
            continue;
        if (module->start == object->start && module->end == object->end && module->link_map == object->link_map)
            return (unsigned)i - 1;
        mark_gone(module);
    }
    return 0;
}

/* The entry of an earlier load of the same file at the same address. By its build id alone: without one, no two files are known to
 * be the same. modules_lock. 0: there was none. */
static unsigned find_again(const struct object *object, const struct elf_image *image)
{
    for (uint64_t i = table()->count; i > 1 && image->build_id; i--) {
        struct record_module *module = table_known(table(), i - 1);
        if (!module->unloaded || module->start != object->start || module->end != object->end || module->bias != object->bias
            || module->build_id_bytes == 0 || module->build_id_bytes != image->build_id_bytes
            || memory_compare(module->build_id, (const void *)image->build_id, image->build_id_bytes) != 0)
            continue;
        struct side *side = table_known(&sides, i - 1);
        side->dynamic = object->dynamic;
        module->link_map = object->link_map;
        __atomic_store_n(&module->unloaded, 0, __ATOMIC_RELEASE);
        return (unsigned)i - 1;
    }
    return 0;
}

/* modules_lock. 0: no memory. */
static unsigned enter(const struct object *object)
{
    struct elf_image image;
    static char buffer[4096];       /* modules_lock; the stack may be a small one */
    const char *path = path_of(object, buffer, sizeof buffer);
    bool readable = elf_open(object->start, &image);
    unsigned again = readable && kernel_readable((const void *)image.build_id, image.build_id_bytes)
                   ? find_again(object, &image) : 0;
    if (again)
        return again;
    uint64_t index = table_reserve(table(), 1), beside = table_reserve(&sides, 1);
    if (!index || index != beside)
        return 0;
    struct record_module *module = table_known(table(), index);
    struct side *side = table_known(&sides, index);
    module->bias = object->bias;
    module->start = object->start;
    module->end = object->end;
    module->link_map = object->link_map;
    module->loaded = modules_quick.epoch;
    module->path = *path ? table_string(path, memory_length(path)) : 0;
    side->dynamic = object->dynamic;
    if (readable) {
        module->eh_frame_hdr = image.eh_frame_hdr;
        if (image.tables_end)
            side->tables = (struct module_tables){image.eh_frame_hdr, image.tables, image.tables_end};
        if (image.build_id && image.build_id_bytes <= sizeof module->build_id
            && kernel_read_memory(module->build_id, (const void *)image.build_id, image.build_id_bytes)) {
            module->build_id_bytes = image.build_id_bytes;
            side->build_id = image.build_id;
        }
    } else {
        image = (struct elf_image){0};
    }
    module->flags = flags_of(object, &image, path);
    const char *name = last_component(path);
    side->identity = module->build_id_bytes ? site_module(module->build_id, module->build_id_bytes)
                                            : site_module((const uint8_t *)name, memory_length(name));
    table_publish(&sides, index, 1);
    table_publish(table(), index, 1);
    return (unsigned)index;
}

/* ---- look-ups ------------------------------------------------------------------------------------------------------------ */

static bool holds(const struct record_module *module, uintptr_t pc)
{
    return pc - module->start < module->end - module->start
        && __atomic_load_n(&module->unloaded, __ATOMIC_RELAXED) == 0;
}

unsigned modules_known(uintptr_t pc)
{
    uint64_t page = pc >> 12, *word = &cache[page * 0x9e3779b97f4a7c15ull >> 52];
    uint64_t count = __atomic_load_n(&table()->count, __ATOMIC_ACQUIRE);
    uint64_t cached = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (cached >> 16 == page && (cached & 0xffff) && (cached & 0xffff) < count
        && holds(table_known(table(), cached & 0xffff), pc))
        return (unsigned)(cached & 0xffff);
    for (uint64_t i = count; i > 1; i--)
        if (holds(table_known(table(), i - 1), pc)) {
            __atomic_store_n(word, page << 16 | (i - 1), __ATOMIC_RELAXED);
            return (unsigned)i - 1;
        }
    return 0;
}

unsigned modules_of(uintptr_t pc)
{
    struct object object;
    unsigned index = modules_known(pc);
    if (index || !table()->chunks || !ask_loader(pc, &object))
        return index;
    uint64_t mask = lock_take_quietly(&modules_lock);
    index = find_entry(&object);
    if (!index)
        index = enter(&object);
    lock_drop_quietly(&modules_lock, mask);
    return index;
}

int modules_define(uintptr_t address, const char *name)
{
    struct object object;
    struct elf_image image;
    if (!ask_loader(address, &object) || !elf_open(object.start, &image) || !elf_lists_symbols(&image))
        return -1;
    return elf_defines(&image, name);
}

static bool still_there(const struct record_module *module, const struct side *side)
{
    struct object object;
    uint8_t now[sizeof module->build_id];
    if (module->flags & (RECORD_MODULE_MAIN | RECORD_MODULE_LOADER | RECORD_MODULE_SELF | RECORD_MODULE_LIBC | RECORD_MODULE_VDSO))
        return true;
    if (!ask_loader(module->start, &object) || object.start != module->start || object.end != module->end
        || object.link_map != module->link_map || object.dynamic != side->dynamic)
        return false;
    return !side->build_id
        || (kernel_read_memory(now, (const void *)side->build_id, module->build_id_bytes)
            && memory_compare(now, module->build_id, module->build_id_bytes) == 0);
}

bool modules_refresh(void)
{
    bool gone = false;
    if (!__atomic_exchange_n(&modules_quick.suspicion, 0, __ATOMIC_ACQ_REL) || !table()->chunks)
        return false;
    uint64_t mask = kernel_signals_off();
    for (uint64_t i = 1, n = __atomic_load_n(&table()->count, __ATOMIC_ACQUIRE); i < n; i++) {
        struct record_module *module = table_known(table(), i);
        if (__atomic_load_n(&module->unloaded, __ATOMIC_RELAXED) || still_there(module, table_known(&sides, i)))
            continue;
        lock_take(&modules_lock);       /* not around still_there: dl_iterate_phdr, if it must be, has a lock of its own */
        if (!module->unloaded)
            mark_gone(module);
        lock_drop(&modules_lock);
        gone = true;
    }
    kernel_signals_back(mask);
    return gone;
}

/* Now, for later /proc may be out of reach, in a chroot or by a change of user. */
static void learn_program_path(void)
{
    long n = kernel_call(SYS_readlinkat, -100 /* AT_FDCWD */, (long)"/proc/self/exe", (long)program_path, (long)sizeof program_path - 1, 0, 0);
    program_path[n > 0 ? n : 0] = 0;
}

bool modules_init(void)
{
    learn_program_path();
    struct elf_image loader;
    uintptr_t base = getauxval(AT_BASE);
    if (base && elf_open(base, &loader)) {
        modules_quick.loader_text = loader.text;
        modules_quick.loader_text_end = loader.text_end;
    }
    return table_strings_init()
        && table_init(&sides, sizeof(struct side), CHUNK_SHIFT, MODULES_MAX)
        && table_init(table(), sizeof(struct record_module), CHUNK_SHIFT, MODULES_MAX);
}

/* Another thread may have stood between the two steps that publish a module. */
void modules_fork_child(void)
{
    lock_reset(&modules_lock);
    if (sides.count > table()->count)
        __atomic_store_n(&sides.count, table()->count, __ATOMIC_RELEASE);
}
