/* Lines of source files. */
#ifndef MIDDEN_REPORT_SOURCE_H
#define MIDDEN_REPORT_SOURCE_H

#include <stddef.h>

#define SOURCE_WIDTH 160

struct source_line {
    char text[SOURCE_WIDTH];    /* cut there; no NUL, not escaped */
    size_t length;
};

/* From now on source files are looked for under `root` first, a copy of another machine's file system (--sysroot); NULL or "": not. Kept, not
 * copied. */
void source_look_under(const char *root);

/* Lines first, first + 1, … of a file (counted from 1), up to n of them. Returns how many there are; 0: none, or the file cannot
 * be read. */
size_t source_read(const char *path, unsigned first, size_t n, struct source_line *lines);

#endif
