/* Which functions a pc lies in, by the debug information; part of symbol_file.h's duty. */
#ifndef MIDDEN_REPORT_SYMBOL_SCOPES_H
#define MIDDEN_REPORT_SYMBOL_SCOPES_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

struct function_range {         /* of a compiled function, not an inlined one */
    Dwarf_Addr low, high;       /* half-open */
    Dwarf_Die die;
};

/* A DIE that functions are declared in, or a function, and the one around it. */
struct nested_scope {
    Dwarf_Off offset;
    uint32_t outer;             /* index of the one around it, plus 1; 0: none but the unit */
};

/* The functions of one compilation unit. */
struct unit_functions {
    struct unit_functions *next;
    Dwarf_Off unit;             /* offset of its DIE */
    struct function_range *list;/* by low */
    size_t n;
    struct nested_scope *nested;/* by offset */
    size_t n_nested;
};

/* The functions of `unit`, found once and kept in *known. Never NULL. */
const struct unit_functions *scopes_of_unit(struct unit_functions **known, Dwarf_Die *unit);
void scopes_free(struct unit_functions *known);

/* The DIEs of the functions at `address`, innermost inlined one first, the compiled one last; up to `most`. */
size_t scopes_at(const struct unit_functions *functions, Dwarf_Addr address, Dwarf_Die *dies, size_t most);

/* The namespaces, classes and functions around a declaration, innermost first; up to `most`, returns how many. */
size_t scopes_around(const struct unit_functions *functions, Dwarf_Die *declared, Dwarf_Die *dies, size_t most);

#endif
