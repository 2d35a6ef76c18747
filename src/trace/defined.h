/* Does anything that is loaded define a name? */
#ifndef MIDDEN_TRACE_DEFINED_H
#define MIDDEN_TRACE_DEFINED_H

#include <stdbool.h>

/* false: none of the loaded modules (`behind` not NULL: of those in the loader's list behind the one that it lies in) defines the dynamic
 * symbol `name`: dlsym would find nothing. true: one does, or there is no telling. Takes the loader's lock, allocates nothing. */
bool defined_somewhere(const char *name, const void *behind);

#endif
