/* Functions of the executable that it does not export. */
#ifndef MIDDEN_PRELOAD_PROGRAM_SYMBOLS_H
#define MIDDEN_PRELOAD_PROGRAM_SYMBOLS_H

#include <stddef.h>

/* Where the executable's functions names[n] are, by the symbol table of its file: found[n], NULL where there is none. prefix: what all
 * the names begin with; a table without it is not searched. */
void program_symbols(const char *prefix, const char *const *names, void **found, size_t n);

#endif
