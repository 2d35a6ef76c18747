/* The program that `midden run` is to start: where it is, and whether libmidden.so can be preloaded into it. */
#ifndef MIDDEN_REPORT_PROGRAM_H
#define MIDDEN_REPORT_PROGRAM_H

#include <stdbool.h>

#include "say.h"

/* Finds name as execvp(3) does: as it is when it holds a slash, else along PATH. *path is owned by the caller.
 * STATUS_DONE, or STATUS_NOT_FOUND or STATUS_CANNOT_RUN, which was said. */
enum status program_find(const char *name, char **path);

/* Can libmidden.so be preloaded into it? Follows the #! lines of scripts. NULL: yes, or it cannot be told because the file is not
 * readable or of a form that only the kernel knows. Else why not, as the end of a sentence; valid until the next call. */
const char *program_refusal(const char *path);

/* The library's absolute path, owned by the caller. checks_calls: with the checked calls; else the one without, if there is one. NULL: not found
 * or not to be named in LD_PRELOAD; said. */
char *program_library(bool checks_calls);

#endif
