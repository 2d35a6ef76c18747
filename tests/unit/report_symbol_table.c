/* Names by sorted symbols against libdwfl's own choice, at random addresses and at the edges of symbols, of the files that this program is made
 * of and of a compiler's large library, where there is one. */
#include <fcntl.h>
#include <glob.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "report/symbol_table.h"
#include "unit.h"

enum { ASKED = 400 };

static int nothing_found(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file, const char *link, GElf_Word crc, char **found)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
    return -1;
}

static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf, .find_debuginfo = nothing_found, .section_address = dwfl_offline_section_address};

/* The rule of symbol_file.c. */
static const char *expected(Dwfl_Module *module, GElf_Addr address)
{
    GElf_Off offset;
    GElf_Sym symbol;
    const char *name = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    return name && (symbol.st_size == 0 || offset >= symbol.st_size) && GELF_ST_TYPE(symbol.st_info) != STT_NOTYPE ? NULL : name;
}

static void compare(Dwfl_Module *module, const struct symbol_table *table, GElf_Addr address, unsigned *answered)
{
    const char *name = NULL, *right;
    enum symbol_answer answer = symbol_table_at(table, address, &name);
    if (answer == SYMBOL_ASK)
        return;
    ++*answered;
    right = expected(module, address);
    if (answer == SYMBOL_NONE)
        CHECK(!right, "%#lx: %s", (unsigned long)address, right);
    else
        CHECK(right && strcmp(name, right) == 0, "%#lx: %s, not %s", (unsigned long)address, name, right ? right : "nothing");
}

static void check_file(const char *path, uint64_t *random)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Dwfl *dwfl = dwfl_begin(&callbacks);
    Dwfl_Module *module = fd >= 0 && dwfl ? dwfl_report_offline(dwfl, path, path, fd) : NULL;
    GElf_Addr start, end;
    unsigned answered = 0;
    int symbols;
    CHECK(module, "%s", path);
    if (!module)
        return;
    dwfl_report_end(dwfl, NULL, NULL);
    dwfl_module_info(module, NULL, &start, &end, NULL, NULL, NULL, NULL);
    struct symbol_table *table = symbol_table_new(module);
    symbols = dwfl_module_getsymtab(module);
    for (unsigned i = 0; i < ASKED; i++) {
        compare(module, table, start + unit_random(random) % (end - start), &answered);
        if (symbols > 1) {
            GElf_Sym symbol;
            GElf_Addr address;
            dwfl_module_getsym_info(module, 1 + (int)(unit_random(random) % (unsigned)(symbols - 1)), &symbol, &address, NULL, NULL, NULL);
            for (int edge = -1; edge <= 1; edge++) {
                compare(module, table, address + (GElf_Addr)edge, &answered);
                compare(module, table, address + symbol.st_size + (GElf_Addr)edge, &answered);
            }
        }
    }
    CHECK(answered > ASKED, "%s: only %u of %u answered", path, answered, 7 * ASKED);
    symbol_table_free(table);
    dwfl_end(dwfl);
}

static int each_module(struct dl_phdr_info *info, size_t size, void *random)
{
    (void)size;
    if (*info->dlpi_name == '/')
        check_file(info->dlpi_name, random);
    return 0;
}

int main(void)
{
    uint64_t random = unit_seed("report_symbol_table");
    glob_t large;
    check_file("/proc/self/exe", &random);
    dl_iterate_phdr(each_module, &random);
    if (glob("/usr/lib/*/libclang-cpp.so*", 0, NULL, &large) == 0)
        check_file(large.gl_pathv[0], &random);
    return unit_result("report_symbol_table");
}
