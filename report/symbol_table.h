/* An ELF file's symbols by address; part of symbol_file.h's duty. */
#ifndef MIDDEN_REPORT_SYMBOL_TABLE_H
#define MIDDEN_REPORT_SYMBOL_TABLE_H

#include <elfutils/libdwfl.h>

struct symbol_table;

enum symbol_answer {
    SYMBOL_NONE,                /* no symbol says what is there */
    SYMBOL_FOUND,
    SYMBOL_ASK                  /* libdwfl decides (dwfl_module_addrinfo) */
};

/* The symbols of the module, which stays open longer. Never NULL. */
struct symbol_table *symbol_table_new(Dwfl_Module *module);
void symbol_table_free(struct symbol_table *table);

/* The name of the symbol that `address` (libdwfl's) lies in: the one that dwfl_module_addrinfo would name. */
enum symbol_answer symbol_table_at(const struct symbol_table *table, GElf_Addr address, const char **name);

#endif
