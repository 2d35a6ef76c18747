/* What the tests of hostile core files share: reading a file as every command would, from its first byte to the rendered report. */
#ifndef MIDDEN_TESTS_CORE_EXAMINE_H
#define MIDDEN_TESTS_CORE_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>

struct core_examined {
    bool opened;                /* an image, and records in it */
    char error[512];            /* else why not */
    char *text;                 /* the report; NULL: not opened */
    size_t text_bytes, json_bytes;
};

/* Opens `path`, reads the records, checks for leaks, asks after blocks and paths, and renders text and JSON. The caller frees text. */
void core_examine(const char *path, struct core_examined *examined);

/* true: nothing that a terminal would obey, and the one line of an error. */
bool core_harmless(const struct core_examined *examined);

#endif
