/* Opening an ELF file for symbols, and looking an address up in it.
 *
 * Each file is an offline module of a libdwfl session of its own, at an address of libdwfl's choosing; so one file serves
 * processes and load epochs that had it at different places, and two files that were loaded at the same place one after the
 * other never meet.
 *
 * Look-up: the compilation unit from .debug_aranges or, where a compiler writes none (clang), from a table of the units' ranges
 * made once; in it the function that was compiled and every inlined subroutine around the address (symbol_scopes.c). The line of the innermost is the line table's, that of each other one is where the call into it was inlined. Without debug
 * information the ELF symbol table gives the function's name alone. */
#include "symbol_file.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbol_data.h"
#include "sorted.h"

#define DEEPEST_NAME 32         /* namespaces and classes before a function's name */

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = symbol_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

/* ---- opening ---- */

static const char *open_module(struct symbol_file *file, const struct image_places *places)
{
    const char *why = NULL;
    char *found;
    void **user;
    int fd = module_search_open(places, file->path, file->build_id, file->build_id_bytes, MODULE_FILE_OR_SYMBOLS, &found, &why);
    if (fd < 0)
        return why;
    file->dwfl = dwfl_begin(&callbacks);
    file->module = file->dwfl ? dwfl_report_offline(file->dwfl, found, found, fd) : NULL;
    free(found);
    if (!file->module) {
        close(fd);
        return "it is no ELF file that can be read";
    }
    dwfl_module_info(file->module, &user, NULL, NULL, NULL, NULL, NULL, NULL);
    *user = (void *)(uintptr_t)places;
    dwfl_report_end(file->dwfl, NULL, NULL);
    if (!dwfl_module_getelf(file->module, &file->bias))
        return "it cannot be read";
    return NULL;
}

struct symbol_file *symbol_file_new(const char *path, const uint8_t *build_id, uint32_t build_id_bytes)
{
    struct symbol_file *file = memory_new(1, sizeof *file);
    file->path = memory_new(1, strlen(path) + 1);
    strcpy(file->path, path);
    file->build_id_bytes = build_id_bytes <= sizeof file->build_id ? build_id_bytes : 0;
    memcpy(file->build_id, build_id, file->build_id_bytes);
    return file;
}

void symbol_file_wake(struct symbol_file *file, const struct image_places *places)
{
    const char *why = open_module(file, places);
    if (why) {
        file->unusable = memory_new(1, strlen(why) + 1);
        strcpy(file->unusable, why);
    }
}

void symbol_file_rest(struct symbol_file *file)
{
    dwfl_end(file->dwfl);
    scopes_free(file->functions);
    symbol_table_free(file->table);
    symbol_data_free(file->data);
    free(file->ranges);
    file->dwfl = NULL;
    file->module = NULL;
    file->functions = NULL;
    file->table = NULL;
    file->data = NULL;
    file->ranges = NULL;
    file->n_ranges = 0;
    file->ranges_made = false;
}

void symbol_file_close(struct symbol_file *file)
{
    symbol_file_rest(file);
    free(file->unusable);
    free(file->path);
    free(file);
}

/* ---- units ---- */

static int by_low(const void *left, const void *right)
{
    const struct unit_range *a = left, *b = right;
    return a->low < b->low ? -1 : a->low > b->low;
}

static void make_ranges(struct symbol_file *file)
{
    Dwarf_Addr bias;
    size_t room = 0;
    file->ranges_made = true;
    for (Dwarf_Die *unit = NULL; (unit = dwfl_module_nextcu(file->module, unit, &bias));) {
        Dwarf_Addr base, low, high;
        for (ptrdiff_t at = 0; (at = dwarf_ranges(unit, at, &base, &low, &high)) > 0;) {
            if (low >= high)
                continue;
            if (file->n_ranges == room)
                file->ranges = memory_resize(file->ranges, room = room ? 2 * room : 256, sizeof *file->ranges);
            file->ranges[file->n_ranges++] = (struct unit_range){low, high, unit};
        }
    }
    if (file->n_ranges)
        qsort(file->ranges, file->n_ranges, sizeof *file->ranges, by_low);
}

static Dwarf_Die *unit_at(struct symbol_file *file, Dwarf_Addr address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(file->module, address, bias);
    if (unit || !dwfl_module_getdwarf(file->module, bias))
        return unit;
    if (!file->ranges_made)
        make_ranges(file);
    size_t low = SORTED_UP_TO(file->ranges, file->n_ranges, low, address - *bias);
    return low && address - *bias < file->ranges[low - 1].high ? file->ranges[low - 1].unit : NULL;
}

/* ---- names ---- */

static const char *readable_name(struct arena *arena, const char *name)
{
    if (!name || !*name)
        return NULL;
    char *plain = cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
    const char *kept = arena_text(arena, plain ? plain : name, strlen(plain ? plain : name));
    free(plain);
    return kept;
}

/* Names the frame's function. */
static void name_function(struct frame *frame, struct arena *arena, const char *name)
{
    frame->function = readable_name(arena, name);
    frame->linkage = frame->function && strcmp(frame->function, name) != 0 ? arena_text(arena, name, strlen(name)) : NULL;
}

static const char *linkage_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) || dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        return dwarf_formstring(&attribute);
    return NULL;
}

/* The name of a C++ function that has no linkage name (static and inlined ones), with the namespaces and classes around it. */
static const char *qualified_name(struct arena *arena, const struct unit_functions *functions, Dwarf_Die *unit, Dwarf_Die *function)
{
    const char *name = dwarf_diename(function);
    int language = dwarf_srclang(unit);
    if (!name || language == DW_LANG_C || language == DW_LANG_C89 || language == DW_LANG_C99 || language == DW_LANG_C11)
        return name;
    Dwarf_Die declared = *function, around[DEEPEST_NAME];
    Dwarf_Attribute attribute;
    for (unsigned step = 0; step < 4 && ((dwarf_hasattr(&declared, DW_AT_abstract_origin) && dwarf_attr(&declared, DW_AT_abstract_origin, &attribute))
                                         || (dwarf_hasattr(&declared, DW_AT_specification) && dwarf_attr(&declared, DW_AT_specification, &attribute))); step++)
        if (!dwarf_formref_die(&attribute, &declared))
            return name;
    size_t n = scopes_around(functions, &declared, around, DEEPEST_NAME);
    for (size_t i = 0; i < n; i++) {
        int tag = dwarf_tag(&around[i]);
        const char *outer = dwarf_diename(&around[i]);
        if (tag == DW_TAG_namespace)
            name = arena_format(arena, "%s::%s", outer ? outer : "(anonymous namespace)", name);
        else if (outer && (tag == DW_TAG_class_type || tag == DW_TAG_structure_type || tag == DW_TAG_union_type))
            name = arena_format(arena, "%s::%s", outer, name);
    }
    return name;
}

/* A path without empty, `.` and `..` components, absolute where a directory is known. */
static const char *whole_path(struct arena *arena, const char *directory, const char *path)
{
    if (!path)
        return NULL;
    /* Where paths were mapped the directory may be relative itself (`./nptl`), and libdw has put it in front already. */
    size_t length = directory ? strlen(directory) : 0;
    if (length && *directory != '/' && strncmp(path, directory, length) == 0 && path[length] == '/')
        directory = NULL;
    char *whole = *path == '/' || !directory ? arena_text(arena, path, strlen(path)) : arena_format(arena, "%s/%s", directory, path);
    char *out = whole;
    bool rooted = *whole == '/';
    size_t depth = 0;           /* components that a `..` can take back */
    for (char *in = whole; *in;) {
        while (*in == '/')
            in++;
        size_t n = strcspn(in, "/");
        bool up = n == 2 && in[0] == '.' && in[1] == '.';
        if (up && depth) {
            depth--;
            while (out > whole && *--out != '/') {}
        } else if (n && !(n == 1 && *in == '.') && !(up && rooted)) {
            depth += !up;
            if (rooted || out > whole)
                *out++ = '/';
            memmove(out, in, n);
            out += n;
        }
        in += n;
    }
    *out = '\0';
    return whole;
}

static const char *unit_directory(Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    return dwarf_attr(unit, DW_AT_comp_dir, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

/* ---- looking up ---- */

static void line_of_table(struct frame *frame, struct arena *arena, Dwarf_Die *unit, Dwarf_Addr address)
{
    int number = 0, column = 0;
    Dwarf_Line *line = dwarf_getsrc_die(unit, address);
    if (!line)
        return;
    frame->file = whole_path(arena, unit_directory(unit), dwarf_linesrc(line, NULL, NULL));
    if (dwarf_lineno(line, &number) == 0 && number > 0)
        frame->line = (unsigned)number;
    if (dwarf_linecol(line, &column) == 0 && column > 0)
        frame->column = (unsigned)column;
}

static unsigned unsigned_attribute(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0 || value > 0x7fffffff)
        return 0;
    return (unsigned)value;
}

/* Where an inlined subroutine's call stood. */
static void line_of_call(struct frame *frame, struct arena *arena, Dwarf_Die *unit, Dwarf_Die *inlined)
{
    Dwarf_Files *files;
    size_t n;
    unsigned file = unsigned_attribute(inlined, DW_AT_call_file);
    frame->line = unsigned_attribute(inlined, DW_AT_call_line);
    frame->column = unsigned_attribute(inlined, DW_AT_call_column);
    if (dwarf_getsrcfiles(unit, &files, &n) == 0 && file < n)
        frame->file = whole_path(arena, unit_directory(unit), dwarf_filesrc(files, file, NULL, NULL));
}

/* *described: the outermost one has its linkage name. */
static size_t look_up_dwarf(struct symbol_file *file, struct arena *arena, Dwarf_Addr address, struct frame *frames, bool *described)
{
    Dwarf_Addr bias;
    Dwarf_Die *unit = unit_at(file, address, &bias), scopes[SYMBOL_FRAMES_MAX - 1];
    if (!unit)
        return 0;
    const struct unit_functions *functions = scopes_of_unit(&file->functions, unit);
    size_t n = scopes_at(functions, address - bias, scopes, SYMBOL_FRAMES_MAX - 1);
    line_of_table(&frames[0], arena, unit, address - bias);
    for (size_t i = 0; i < n; i++) {
        const char *linkage = linkage_name(&scopes[i]);
        name_function(&frames[i], arena, linkage ? linkage : qualified_name(arena, functions, unit, &scopes[i]));
        frames[i].inlined = i + 1 < n;
        *described = linkage != NULL;
        if (i + 1 < n)
            line_of_call(&frames[i + 1], arena, unit, &scopes[i]);
    }
    return n ? n : frames[0].file != NULL;
}

/* The name that the ELF symbols have for `at`; NULL: none. */
static const char *symbol_at(struct symbol_file *file, Dwarf_Addr at)
{
    const char *name = NULL;
    GElf_Off offset;
    GElf_Sym symbol;
    if (!file->table)
        file->table = symbol_table_new(file->module);
    if (symbol_table_at(file->table, at, &name) != SYMBOL_ASK)
        return name;
    name = dwfl_module_addrinfo(file->module, at, &offset, &symbol, NULL, NULL, NULL);
    /* A label without a size, or a far away one, says nothing about where we are. */
    return name && (symbol.st_size == 0 || offset >= symbol.st_size) && GELF_ST_TYPE(symbol.st_info) != STT_NOTYPE ? NULL : name;
}

size_t symbol_file_look_up(struct symbol_file *file, struct arena *arena, uint64_t address, struct frame *frames)
{
    if (file->unusable)
        return 0;
    Dwarf_Addr at = address + file->bias;
    bool described = false;
    size_t n = look_up_dwarf(file, arena, at, frames, &described);
    if (n && described)
        return n;
    const char *name = symbol_at(file, at);
    struct frame *host = &frames[n ? n - 1 : 0];
    bool mangled = name && (strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0);
    if (name && (!host->function || mangled))   /* a mangled name tells the parameters as well */
        name_function(host, arena, name);
    return n ? n : host->function != NULL;
}
