/* elfutils, loaded when the first stack is to be named. Without it dwfl_begin() and elf_begin() give NULL, and nothing else of it is called.
 *
 * Its own functions do not find these here: the command exports no symbols. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <libelf.h>
#include <stddef.h>

#include "late.h"

#define LATE(...) LATE_FROM(LIBDW_SONAME, __VA_ARGS__)
#define LATE_NOTHING(...) LATE_NOTHING_FROM(LIBDW_SONAME, __VA_ARGS__)
#define LATE_ELF(...) LATE_FROM(LIBELF_SONAME, __VA_ARGS__)

/* ---- libelf ---- */

LATE_ELF(unsigned int, elf_version, (unsigned int version), (version), EV_NONE)
LATE_ELF(Elf *, elf_begin, (int fd, Elf_Cmd command, Elf *of), (fd, command, of), NULL)
LATE_ELF(int, elf_end, (Elf *elf), (elf), 0)

/* ---- libdw: entries of debug information ---- */

LATE(int, dwarf_tag, (Dwarf_Die *die), (die), DW_TAG_invalid)
LATE(Dwarf_Off, dwarf_dieoffset, (Dwarf_Die *die), (die), (Dwarf_Off)-1)
LATE(int, dwarf_child, (Dwarf_Die *die, Dwarf_Die *result), (die, result), -1)
LATE(int, dwarf_siblingof, (Dwarf_Die *die, Dwarf_Die *result), (die, result), -1)
LATE(Dwarf *, dwarf_cu_getdwarf, (Dwarf_CU *cu), (cu), NULL)
LATE(Dwarf_Die *, dwarf_offdie, (Dwarf *dwarf, Dwarf_Off offset, Dwarf_Die *die), (dwarf, offset, die), NULL)
LATE(int, dwarf_getscopes_die, (Dwarf_Die *die, Dwarf_Die **scopes), (die, scopes), -1)
LATE(const char *, dwarf_diename, (Dwarf_Die *die), (die), NULL)
LATE(int, dwarf_haspc, (Dwarf_Die *die, Dwarf_Addr pc), (die, pc), -1)
LATE(ptrdiff_t, dwarf_ranges, (Dwarf_Die *die, ptrdiff_t offset, Dwarf_Addr *base, Dwarf_Addr *start, Dwarf_Addr *end),
     (die, offset, base, start, end), -1)
LATE(int, dwarf_srclang, (Dwarf_Die *die), (die), -1)
LATE(int, dwarf_hasattr, (Dwarf_Die *die, unsigned int name), (die, name), 0)
LATE(Dwarf_Attribute *, dwarf_attr, (Dwarf_Die *die, unsigned int name, Dwarf_Attribute *result), (die, name, result), NULL)
LATE(Dwarf_Attribute *, dwarf_attr_integrate, (Dwarf_Die *die, unsigned int name, Dwarf_Attribute *result), (die, name, result), NULL)
LATE(const char *, dwarf_formstring, (Dwarf_Attribute *attribute), (attribute), NULL)
LATE(int, dwarf_formudata, (Dwarf_Attribute *attribute, Dwarf_Word *value), (attribute, value), -1)
LATE(Dwarf_Die *, dwarf_formref_die, (Dwarf_Attribute *attribute, Dwarf_Die *die), (attribute, die), NULL)

/* ---- libdw: lines ---- */

LATE(int, dwarf_getsrcfiles, (Dwarf_Die *unit, Dwarf_Files **files, size_t *n), (unit, files, n), -1)
LATE(const char *, dwarf_filesrc, (Dwarf_Files *file, size_t index, Dwarf_Word *time, Dwarf_Word *length), (file, index, time, length), NULL)
LATE(Dwarf_Line *, dwarf_getsrc_die, (Dwarf_Die *unit, Dwarf_Addr address), (unit, address), NULL)
LATE(const char *, dwarf_linesrc, (Dwarf_Line *line, Dwarf_Word *time, Dwarf_Word *length), (line, time, length), NULL)
LATE(int, dwarf_lineno, (Dwarf_Line *line, int *number), (line, number), -1)
LATE(int, dwarf_linecol, (Dwarf_Line *line, int *column), (line, column), -1)

/* ---- libdwelf ---- */

LATE(ssize_t, dwelf_elf_gnu_build_id, (Elf *elf, const void **bits), (elf, bits), -1)

/* ---- libdwfl: modules ---- */

LATE(Dwfl *, dwfl_begin, (const Dwfl_Callbacks *callbacks), (callbacks), NULL)
LATE_NOTHING(dwfl_end, (Dwfl *dwfl), (dwfl))
LATE_NOTHING(dwfl_report_begin, (Dwfl *dwfl), (dwfl))
LATE(int, dwfl_report_end, (Dwfl *dwfl, int (*removed)(Dwfl_Module *, void *, const char *, Dwarf_Addr, void *), void *argument),
     (dwfl, removed, argument), -1)
LATE(Dwfl_Module *, dwfl_report_module, (Dwfl *dwfl, const char *name, Dwarf_Addr start, Dwarf_Addr end), (dwfl, name, start, end), NULL)
LATE(Dwfl_Module *, dwfl_report_elf, (Dwfl *dwfl, const char *name, const char *file, int fd, GElf_Addr base, bool add_p_vaddr),
     (dwfl, name, file, fd, base, add_p_vaddr), NULL)
LATE(Dwfl_Module *, dwfl_report_offline, (Dwfl *dwfl, const char *name, const char *file, int fd), (dwfl, name, file, fd), NULL)
LATE(const char *, dwfl_module_info, (Dwfl_Module *module, void ***user, Dwarf_Addr *start, Dwarf_Addr *end, Dwarf_Addr *dwarf_bias,
                                      Dwarf_Addr *symbol_bias, const char **main_file, const char **debug_file),
     (module, user, start, end, dwarf_bias, symbol_bias, main_file, debug_file), NULL)
LATE(int, dwfl_module_report_build_id, (Dwfl_Module *module, const unsigned char *bits, size_t n, GElf_Addr address),
     (module, bits, n, address), -1)
LATE(int, dwfl_module_build_id, (Dwfl_Module *module, const unsigned char **bits, GElf_Addr *address), (module, bits, address), -1)
LATE(Elf *, dwfl_module_getelf, (Dwfl_Module *module, GElf_Addr *bias), (module, bias), NULL)
LATE(Dwarf *, dwfl_module_getdwarf, (Dwfl_Module *module, Dwarf_Addr *bias), (module, bias), NULL)
LATE(int, dwfl_module_getsymtab, (Dwfl_Module *module), (module), -1)
LATE(const char *, dwfl_module_getsym_info, (Dwfl_Module *module, int index, GElf_Sym *symbol, GElf_Addr *address, GElf_Word *section,
                                             Elf **elf, Dwarf_Addr *bias),
     (module, index, symbol, address, section, elf, bias), NULL)
LATE(const char *, dwfl_module_addrinfo, (Dwfl_Module *module, GElf_Addr address, GElf_Off *offset, GElf_Sym *symbol, GElf_Word *section,
                                          Elf **elf, Dwarf_Addr *bias),
     (module, address, offset, symbol, section, elf, bias), NULL)
LATE(Dwarf_Die *, dwfl_module_addrdie, (Dwfl_Module *module, Dwarf_Addr address, Dwarf_Addr *bias), (module, address, bias), NULL)
LATE(Dwarf_Die *, dwfl_module_nextcu, (Dwfl_Module *module, Dwarf_Die *last, Dwarf_Addr *bias), (module, last, bias), NULL)

/* ---- libdwfl: ways to find files, which are handed to it as callbacks ---- */

LATE(int, dwfl_build_id_find_elf, (Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file, Elf **elf),
     (module, user, name, base, file, elf), -1)
LATE(int, dwfl_standard_find_debuginfo, (Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
                                         const char *link, GElf_Word crc, char **found),
     (module, user, name, base, file, link, crc, found), -1)
LATE(int, dwfl_offline_section_address, (Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *section,
                                         GElf_Word index, const GElf_Shdr *header, Dwarf_Addr *address),
     (module, user, name, base, section, index, header, address), -1)

/* ---- libdwfl: unwinding ---- */

LATE(bool, dwfl_attach_state, (Dwfl *dwfl, Elf *elf, pid_t pid, const Dwfl_Thread_Callbacks *callbacks, void *argument),
     (dwfl, elf, pid, callbacks, argument), false)
LATE(int, dwfl_getthread_frames, (Dwfl *dwfl, pid_t tid, int (*callback)(Dwfl_Frame *, void *), void *argument),
     (dwfl, tid, callback, argument), -1)
LATE(bool, dwfl_thread_state_registers, (Dwfl_Thread *thread, int first, unsigned n, const Dwarf_Word *registers),
     (thread, first, n, registers), false)
LATE(bool, dwfl_frame_pc, (Dwfl_Frame *frame, Dwarf_Addr *pc, bool *is_activation), (frame, pc, is_activation), false)
LATE(int, dwfl_frame_reg, (Dwfl_Frame *frame, unsigned number, Dwarf_Word *value), (frame, number, value), -1)
LATE_NOTHING(dwfl_thread_state_register_pc, (Dwfl_Thread *thread, Dwarf_Word pc), (thread, pc))
