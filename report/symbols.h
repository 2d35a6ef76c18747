/* From a pc in a module to functions, files and lines.
 *
 * Each file (path and build id) is opened once, whatever processes or load epochs it is needed for; each (file, address) is
 * looked up once. May be asked by several threads. Debug information comes from the file itself, from /usr/lib/debug (and what symbols_look_in() names) by build id,
 * or by .gnu_debuglink; the net is only asked where that was wanted. A file whose build id is not the recorded one is not used, and a note says so. */
#ifndef MIDDEN_REPORT_SYMBOLS_H
#define MIDDEN_REPORT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"

/* One line of a stack as a person reads it. Text is not escaped and lives as long as the symbols. */
struct frame {
    uint64_t pc;            /* as recorded: a return address, mostly. Not set by symbols_at() where there is a module: the answer serves
                               all who have it loaded, wherever */
    uint64_t offset;        /* of pc in the module, as an address of the ELF file; 0 without a module */
    const char *module;     /* path; NULL: in no module that we knew */
    const char *function;   /* demangled; NULL: unknown */
    const char *linkage;    /* the function's name as the linker knows it, where that is mangled; NULL: as function, or unknown */
    const char *file;       /* absolute where the debug information allows; NULL: unknown */
    unsigned line;          /* 0: unknown */
    unsigned column;        /* 0: unknown */
    bool inlined;           /* inlined into the next frame */
    bool entry;             /* the allocation call itself (frame 0) */
    uint32_t module_flags;  /* enum record_module_flag */
};

struct symbols;

struct symbols *symbols_open(void);     /* never NULL */

/* Where modules and their debug information are looked for from now on; what it points to must outlive the symbols. */
struct image_places;
void symbols_look_in(struct symbols *symbols, const struct image_places *places);
const struct image_places *symbols_places(const struct symbols *symbols);
void symbols_close(struct symbols *symbols);

/* The frames at pc: the innermost inlined function first, the function that contains pc last; at least one. In the tool's own
 * library the one function, without a line.
 * exact: pc is of an interrupted instruction, else a return address. module: NULL or without a path: bare pc. *frames lives as
 * long as the symbols. Returns their number. */
size_t symbols_at(struct symbols *symbols, const struct record_module *module, const char *path, uint64_t pc, bool exact,
                  const struct frame **frames);

/* A variable of a module: a global one, or a static one of a file or function. */
struct variable {
    const char *name;       /* demangled; lives as long as the symbols; not escaped */
    uint64_t address;       /* in the process; of a thread-local one its offset in the module's thread-local storage */
    uint64_t size;          /* bytes */
    bool thread_local_one;
    bool local;             /* not seen by the linker: several may have one name */
};

/* The variable that `address` (in the process) lies in. false: none is known. */
bool symbols_variable_at(struct symbols *symbols, const struct record_module *module, const char *path, uint64_t address,
                         struct variable *variable);

/* The variables of a module with that name, up to `room` of them into list; returns how many there are. */
size_t symbols_variables_named(struct symbols *symbols, const struct record_module *module, const char *path, const char *name,
                               struct variable *list, size_t room);

/* Lines about modules that could not be used ("… on disk is not the one that ran"), once each. */
size_t symbols_notes(struct symbols *symbols, const char *const **notes);

#endif
