/* A program's file while it is looked at (program.c, needed.c). */
#ifndef MIDDEN_PRELOAD_PROGRAM_FILE_H
#define MIDDEN_PRELOAD_PROGRAM_FILE_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"

#define PROGRAM_HEAD 1024           /* bytes: the headers and the loader's name of an ordinary program */
#define PROGRAM_MOST_HEADERS 64     /* program headers looked at */

struct program_file {
    int fd;
    size_t length;                  /* bytes read */
    union {
        char text[PROGRAM_HEAD];    /* the file's first ones */
        ElfW(Ehdr) elf;
    } bytes;
};

/* Bytes [offset, offset + n) of the file; false: it does not have them. */
static inline bool program_read(const struct program_file *file, uint64_t offset, void *to, size_t n)
{
    if (offset <= file->length && n <= file->length - offset) {
        memory_copy(to, file->bytes.text + offset, n);
        return true;
    }
    return offset <= INT64_MAX && kernel_call(SYS_pread64, file->fd, (long)(uintptr_t)to, (long)n, (long)offset, 0, 0) == (long)n;
}

/* true: the program, an ELF file of this machine, is linked with the library of a sanitizer. */
bool program_needs_sanitizer(const struct program_file *file);

#endif
