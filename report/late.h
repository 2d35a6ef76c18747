/* Libraries that few runs need: loaded when they are first used. Linked, they would cost every start of the command more than
 * everything else that it does (77,000 relocations of the disassembler, the Unicode tables behind the XML library).
 *
 * late_capstone.c and late_xml.c define the libraries' own functions, so that those who call them need not know. */
#ifndef MIDDEN_REPORT_LATE_H
#define MIDDEN_REPORT_LATE_H

/* The function `name` of the library with this SONAME; *slot keeps it. NULL: there is no such library, or function; said once a
 * slot. May be called by several threads. */
void *late_find(const char *library, const char *name, void **slot);

#endif
