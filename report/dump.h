/* Writing a dump: an ELF core file of an image, which gdb and everything else that knows cores can open, with midden's records as
 * ordinary memory in it.
 *
 * The image should stand still meanwhile: a frozen copy, a process whose threads are parked, or another core file. */
#ifndef MIDDEN_REPORT_DUMP_H
#define MIDDEN_REPORT_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "image.h"
#include "records.h"

struct dump_options {
    bool compress;              /* zstd, in frames that are read in place */
    bool without_contents;      /* records and pointers only: see dump_mask.h */
    unsigned threads;           /* that copy; 0: as the machine has, 4 at most */
    void (*progress)(void *ctx, uint64_t done, uint64_t all);   /* NULL: none */
    void *ctx;
};

struct dump_result {
    uint64_t bytes;             /* of the core, holes included */
    uint64_t written;           /* to the file: without holes, compressed */
    double seconds;             /* until all was handed to the kernel */
    double synced;              /* until it was on the disk */
};

/* Writes `path`: first under another name in the same directory (mode 0600), flushed to the disk, then renamed; a symbolic link or
 * anything else that is no regular file is refused, a regular file replaced. On failure nothing stays behind. false: *error says
 * why, in words that follow the file's name. result and options may be NULL. */
bool dump_write(const struct image *image, struct records *records, const char *path, const struct dump_options *options,
                struct dump_result *result, struct error *error);

/* ---- what dump.c's other files share ---- */

struct dump_mask;

struct dump_segment {           /* a mapping, and how much of it goes into the file */
    const struct image_mapping *mapping;
    uint64_t offset;            /* in the file, of its first byte; page-aligned */
    uint64_t bytes;             /* from the mapping's start on */
};

struct dump_plan {
    const struct image *image;
    const struct dump_mask *mask;   /* NULL: contents and all */
    unsigned char *head;        /* ELF header, program headers, notes */
    uint64_t head_bytes;
    struct dump_segment *segments;  /* by address; those without bytes among them */
    size_t n;
    uint64_t total;             /* bytes of the file */
};

/* dump_plan.c: which parts of which mappings, and the head with the notes (dump_notes.c). mask may be NULL. */
void dump_plan_make(struct dump_plan *plan, const struct image *image, struct records *records, const struct dump_mask *mask);
void dump_plan_free(struct dump_plan *plan);

/* Bytes [offset, offset + n) of the file into buffer, zeros for what is not there. false: all of it is zeros. offset is a multiple
 * of 8. */
bool dump_plan_fill(const struct dump_plan *plan, uint64_t offset, void *buffer, size_t n);

/* dump_notes.c: the notes; malloc'ed, *n receives their bytes. */
unsigned char *dump_notes(const struct image *image, struct records *records, const struct dump_mask *mask, size_t *n);

/* dump_copy.c: all of the plan into fd, plain with holes or compressed. 0, or an errno. *written: bytes that the file got. */
int dump_copy(const struct dump_plan *plan, int fd, const struct dump_options *options, uint64_t *written);

#endif
