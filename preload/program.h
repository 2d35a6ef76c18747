/* What an exec is about to start. */
#ifndef MIDDEN_PRELOAD_PROGRAM_H
#define MIDDEN_PRELOAD_PROGRAM_H

#include <stdbool.h>

enum program_kind {
    PROGRAM_MISSING,    /* no regular file that the caller may execute: the exec will fail */
    PROGRAM_PLAIN,      /* starts without the library: static, privileged, another machine's, another libc's, or unreadable */
    PROGRAM_FOLLOWS     /* takes the library */
};

/* The file that execveat(at, path, …, flags) would start. */
enum program_kind program_at(int at, const char *path, int flags);

/* The file that execvp(file) would find along PATH. */
enum program_kind program_searched(const char *file);

#endif
