/* One ELF file opened for symbols; part of symbols.h's duty. */
#ifndef MIDDEN_REPORT_SYMBOL_FILE_H
#define MIDDEN_REPORT_SYMBOL_FILE_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "symbol_scopes.h"
#include "symbol_table.h"
#include "module_search.h"
#include "symbols.h"

struct unit_range {             /* of a compilation unit */
    Dwarf_Addr low, high;       /* half-open, as in the debug information */
    Dwarf_Die *unit;
};

struct symbol_file {
    struct symbol_file *next;
    char *path;
    uint8_t build_id[32];
    uint32_t build_id_bytes;
    char *unusable;             /* why it is not used; NULL: it is */
    uint64_t asked;             /* when it was last; the symboliser's count */
    Dwfl *dwfl;                 /* NULL: not open */
    Dwfl_Module *module;
    Dwarf_Addr bias;            /* from an address in the ELF file to libdwfl's */
    struct unit_range *ranges;  /* by low; made when .debug_aranges is missing */
    size_t n_ranges;
    bool ranges_made;
    struct unit_functions *functions;   /* of the units that were asked about */
    struct symbol_table *table; /* NULL: not asked for yet */
    struct symbol_data *data;   /* symbol_data.h; NULL: not asked for yet */
};

/* Never NULL; not open yet. */
struct symbol_file *symbol_file_new(const char *path, const uint8_t *build_id, uint32_t build_id_bytes);

/* Opens the file with that build id that was at `path` when it ran, or else its debug information alone; see unusable. places must
 * outlive it. */
void symbol_file_wake(struct symbol_file *file, const struct image_places *places);

/* Closes it; what was looked up stays valid. It can be opened again. */
void symbol_file_rest(struct symbol_file *file);
void symbol_file_close(struct symbol_file *file);

#define SYMBOL_FRAMES_MAX 64

/* The functions at `address` (of the ELF file), innermost inlined one first: fills function, file, line, column and inlined of
 * frames[SYMBOL_FRAMES_MAX], text in the arena. Returns their number; 0: nothing is known. */
size_t symbol_file_look_up(struct symbol_file *file, struct arena *arena, uint64_t address, struct frame *frames);

/* symbol_find.c: where the debug information of a module lies; a libdwfl callback. *user: a struct image_places. */
int symbol_find_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **found);

#endif
