/* Variables of an ELF file, by address and by name; part of symbols.h's duty. */
#ifndef MIDDEN_REPORT_SYMBOL_DATA_H
#define MIDDEN_REPORT_SYMBOL_DATA_H

#include "symbol_file.h"

/* The table of a file, made when first asked for. Never NULL. */
const struct symbol_data *symbol_data_of(struct symbol_file *file, struct arena *arena);
void symbol_data_free(struct symbol_data *data);     /* NULL is fine */

/* The variable that `address` (of the ELF file) lies in; false: none is known. Addresses in *variable are of the ELF file. */
bool symbol_data_at(const struct symbol_data *data, uint64_t address, struct variable *variable);

/* Appends those called `name` to list[room], from *n on; *n counts all. */
void symbol_data_named(const struct symbol_data *data, const char *name, struct variable *list, size_t room, size_t *n);

#endif
