/* A file that the user named, to be read whole. */
#ifndef MIDDEN_REPORT_FILE_TEXT_H
#define MIDDEN_REPORT_FILE_TEXT_H

#include <stddef.h>

/* What the file holds, NUL-terminated, *n bytes without the NUL; owned by the caller. NULL: it cannot be read, *why says why (no full
 * stop; not owned). Pipes are read to their end. */
char *file_text(const char *path, size_t *n, const char **why);

#endif
