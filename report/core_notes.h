/* The notes of a core file: threads, mapped files, the auxiliary vector; part of image_core.c's duty. */
#ifndef MIDDEN_REPORT_CORE_NOTES_H
#define MIDDEN_REPORT_CORE_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

/* Where the general registers of record_thread.registers lie in a core's NT_PRSTATUS, in that order. */
#if defined(__aarch64__)
enum { CORE_REGISTER_SP = 31, CORE_REGISTER_PC = 32 };
static const uint8_t core_registers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                                         26, 27, 28, 29, 30, CORE_REGISTER_SP, CORE_REGISTER_PC};
#else
enum { CORE_REGISTER_ORIG_RAX = 15, CORE_REGISTER_PC = 16, CORE_REGISTER_CS = 17, CORE_REGISTER_FLAGS = 18, CORE_REGISTER_SP = 19,
       CORE_REGISTER_SS = 20, CORE_REGISTER_FS = 21 };
/*                                       r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip */
static const uint8_t core_registers[] = {9, 8, 7,  6,  3,  2,  1,  0,  14, 13, 4,  5,  12, 10, 11, CORE_REGISTER_SP, CORE_REGISTER_PC};
#endif

struct core_file_range {        /* of NT_FILE */
    uint64_t start, end;        /* half-open */
    uint64_t offset;            /* in the file, bytes */
    const char *path;           /* into notes.text */
};

/* The note of midden's own dumps: what no other one says. Readers of other kinds pass over it. */
#define CORE_OWN_NAME "MIDDEN"
#define CORE_OWN_TYPE 1u
#define CORE_OWN_VERSION 1u
enum { CORE_OWN_WITHOUT_CONTENTS = 1 };
struct core_own_note {
    uint32_t version;           /* CORE_OWN_VERSION */
    uint32_t flags;             /* CORE_OWN_… */
    uint64_t time;              /* when the image was taken, nanoseconds since the epoch */
};

struct core_notes {
    struct image_thread *threads;       /* in the file's order: the one that the core is about comes first */
    size_t n_threads, room_threads;
    struct core_file_range *files;      /* by start; no two overlap */
    size_t n_files;
    char *text;                         /* the paths */
    uint64_t *auxv;                     /* pairs of words */
    size_t n_auxv;                      /* words */
    int pid;                            /* 0: not told */
    int signal;                         /* that ended the process; 0: none */
    uint64_t time;                      /* when it was taken, nanoseconds since the epoch; 0: not told */
    bool without_contents;
    bool damaged;                       /* some could not be understood */
};

/* Takes what one PT_NOTE segment says, n bytes. May be called again for a further segment. */
void core_notes_read(struct core_notes *notes, const unsigned char *bytes, size_t n);
void core_notes_free(struct core_notes *notes);

/* The value of an entry of the auxiliary vector; 0: it has none such. */
uint64_t core_notes_auxv(const struct core_notes *notes, uint64_t type);

#endif
