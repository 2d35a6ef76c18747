/* Where the files of a program's modules are looked for: on this machine, which need not be the one that the program ran on.
 *
 *    --sysroot=DIR     the other machine's file system: DIR/usr/lib/libc.so.6 for /usr/lib/libc.so.6
 *    --debug-dir=DIR   files by build id: DIR/.build-id/ab/cdef… and …/ab/cdef….debug, or lying in DIR under their own name
 *    --debuginfod      the servers that DEBUGINFOD_URLS names, through libdwfl; asked last, and only if this was given
 *
 * A file is taken only if it carries the build id that the image says. */
#ifndef MIDDEN_REPORT_MODULE_SEARCH_H
#define MIDDEN_REPORT_MODULE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths as the user gave them; nothing is owned. */
struct image_places {
    const char *sysroot;            /* "" or NULL: this machine's root */
    const char *const *debug_dirs;
    size_t n_debug_dirs;
    bool debuginfod;
};

enum module_want {
    MODULE_FILE,                /* the file itself: its code and data are needed */
    MODULE_FILE_OR_SYMBOLS      /* or else its separate debug information alone */
};

#define MODULE_BUILD_ID_MOST 32u

/* Opens the file of the module that had `path`, with build id `id` of n bytes (n = 0: it has none; then any file of that path is
 * taken). places may be NULL: only path itself and /usr/lib/debug. Returns a descriptor, and in *found (if not NULL) the name
 * that was opened, to be freed; -1: *why says why not. */
int module_search_open(const struct image_places *places, const char *path, const uint8_t *id, size_t n, enum module_want want,
                       char **found, const char **why);

/* true: the ELF file behind fd carries this build id. */
bool module_has_build_id(int fd, const uint8_t *id, size_t n);

#endif
