/* A memory image: the address space of a process, living or dead, as something to read from.
 *
 * What kind of image it is lies behind a table of callbacks; everything above reads with image_read() and never knows. An
 * image is hostile: nothing read from it is believed, and image_read() never fails in another way than by giving less. */
#ifndef MIDDEN_REPORT_IMAGE_H
#define MIDDEN_REPORT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum image_access { IMAGE_READ = 1, IMAGE_WRITE = 2, IMAGE_EXECUTE = 4, IMAGE_SHARED = 8 };

struct image_mapping {
    uint64_t start, end;        /* half-open */
    uint64_t offset;            /* in the file, bytes */
    uint64_t inode;             /* 0: of no file */
    uint32_t device_major, device_minor;
    unsigned access;            /* enum image_access */
    const char *path;           /* of the file, or a name as `[stack]`; "": none. Never NULL; not escaped */
};

/* read and touched are called from several threads at once. */
struct image_ops {
    /* Reads up to n bytes at address; returns how many of the first ones could be read (0: none). */
    size_t (*read)(void *ctx, uint64_t address, void *buffer, size_t n);
    /* Finds memory that was ever touched: the first such range at or after `from` and before `to`, into *start, *end.
     * false: none. NULL: not known, everything may have been. */
    bool (*touched)(void *ctx, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end);
    void (*close)(void *ctx);   /* may be NULL */
    /* true: some page of [from, to), a private mapping of a file, is not the file's any more. NULL: not known. */
    bool (*written)(void *ctx, uint64_t from, uint64_t to);
};

/* A thread as the image itself tells it: a core file does, of a living process the records do. */
struct image_thread {
    int tid;
    uint64_t sp, pc;
    uint64_t thread_pointer;        /* 0: not told */
    const uint64_t *words;          /* all registers that may hold pointers, [n_words], malloc'ed: the general ones in
                                       the order of record_thread.registers, then the others */
    size_t n_words;
};

/* How a process was read: as a copy that keeps still, or as it was. */
struct image_snapshot {
    bool frozen;                /* a forked copy */
    bool parked;                /* the process itself, its threads stopped for as long as it is read */
    uint32_t cause;             /* enum wire_cause */
    uint32_t sequence;          /* number of the snapshot in its process, from 1; 0: none was made */
    uint32_t silent;            /* threads that did not stop in time */
    uint64_t pause_ns;          /* how long the program's threads stood still; 0: not known, or they still do */
};

struct image_range {
    uint64_t start, end;        /* half-open */
};

/* Descriptors that came from a process; -1: not there. */
struct image_fds {
    int mem, maps, pagemap;     /* of these names in its /proc */
    int life;                   /* a socket; while it is open the image lives (format/wire.h) */
};
#define IMAGE_NO_FDS {-1, -1, -1, -1}

struct image {
    const struct image_ops *ops;
    void *ctx;
    struct image_mapping *mappings; /* in address order, no two overlap */
    size_t n_mappings;
    uint64_t mapped_bytes;          /* sum of their sizes, less where the image has less: no honest table in it is larger */
    int pid;                        /* 0: not a living process */
    uint64_t time;                  /* when it was taken, nanoseconds since the epoch; 0: not known */
    struct image_snapshot snapshot; /* zero: a process read as it ran, or a file */

    /* Core files only. */
    struct image_thread *threads;   /* first the one that it is about; NULL: the records know better */
    size_t n_threads;
    uint32_t *threads_by_tid;       /* their places, tids rising */
    uint64_t *auxv;                 /* the kernel's auxiliary vector, pairs of words; NULL: not there */
    size_t n_auxv;                  /* words */
    int signal;                     /* that ended the process; 0: none, not known */
    bool guards_unseen;             /* memory without access may be left out or look like zeros */
    bool by_gdb;                    /* gcore wrote it: see core_gaps.h */
    bool incomplete;                /* writable memory is missing: what seems lost may be held there */
    struct image_range *left_out;   /* anonymous private writable mappings of which a core has nothing: the kernel leaves out what was never
                                       written, which reads as zeros here, but also what the program kept out of cores */
    size_t n_left_out;
    bool contents_removed;          /* a dump of ours --without-contents: pointers are left of the program's memory */
    char **notes;                   /* what is missing, a line each */
    size_t n_notes;
};

/* Opens a living process through two descriptors of its own, of /proc/self/mem and /proc/self/maps: the permission was checked
 * when they were opened, so no right to trace is needed. Takes the descriptors over, also on failure. maps_fd is read from its
 * start. NULL: *error says why. */
struct image *image_open_fds(int pid, int mem_fd, int maps_fd, struct error *error);

/* Opens what a snapshot gave: pid's image, by descriptors of its own (taken over, also on failure). Without mem its memory is read
 * over its life. copy_pid: the number of a frozen copy, as it sees it; its files in /proc stand in for a maps that is missing. */
struct image *image_open_snapshot(int pid, int copy_pid, struct image_fds *fds, const struct image_snapshot *snapshot,
                                  struct error *error);
/* Notes what of the process is not in its copy, or was not frozen (image_uncopied.c). */
void image_note_uncopied(struct image *image, int pid, int copy_pid);
void image_fds_close(struct image_fds *fds);
/* Opens mem and maps of a process by its number, in place of what was there; needs the right to read its memory. false: none is open. */
bool image_fds_open(int pid, struct image_fds *fds, struct error *error);

/* Opens a living process by its number; needs the right to read its memory. */
struct image *image_open_pid(int pid, struct error *error);

struct image_places;

/* Opens a core file: the kernel's, one of gcore, a dump of ours; whole or cut off, sparse, compressed with zstd. Read-only pages
 * that a core leaves out come from the modules' files (places: see module_search.h; NULL: of this machine). NULL: *error says why,
 * in words that follow the file's name. */
struct image *image_open_core(const char *path, const struct image_places *places, struct error *error);

/* An image of the caller's making (tests, core files): takes over `mappings` (malloc'ed, paths too; sorted here) and ctx.
 * NULL: mappings overlap or are empty the wrong way round, or memory ran out; nothing was taken over. */
struct image *image_new(const struct image_ops *ops, void *ctx, struct image_mapping *mappings, size_t n, struct error *error);

void image_close(struct image *image); /* NULL is fine */

/* The place of thread `tid` in threads, +1; 0: it is not there. */
size_t image_thread(const struct image *image, int tid);

/* Adds a line to notes. */
void image_note(struct image *image, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes read from `address` on: less than n when the rest cannot be read. */
size_t image_read(const struct image *image, uint64_t address, void *buffer, size_t n);

/* true: all n bytes were read. */
static inline bool image_read_all(const struct image *image, uint64_t address, void *buffer, size_t n)
{
    return image_read(image, address, buffer, n) == n;
}

/* Reads all that can be read of n bytes; what cannot (guard pages, holes) is zero in the buffer. Returns the bytes that could. */
size_t image_read_around(const struct image *image, uint64_t address, void *buffer, size_t n);

/* The mapping that address lies in; NULL: none. */
const struct image_mapping *image_mapping_at(const struct image *image, uint64_t address);

/* true: [address, address + n) lies in mappings, with no hole between (n = 0 and a range that wraps round: false). */
bool image_covers(const struct image *image, uint64_t address, uint64_t n);

#endif
