/* The bytes of a core file by their offset, whether the file is plain or compressed with zstd; part of image_core.c's duty.
 *
 * Reads come from several threads at once. The file may have holes and may be cut off anywhere. */
#ifndef MIDDEN_REPORT_CORE_BYTES_H
#define MIDDEN_REPORT_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct core_bytes {
    int fd;
    uint64_t size;              /* logical bytes: of what the file unpacks to */
    uint64_t stored;            /* bytes that the file takes up: an honest table in the core is not much larger */
    bool holes;                 /* the file may have holes, which the file system tells */
    bool cut;                   /* compressed, and the end is missing */
    struct core_frames *frames; /* NULL: plain */
};

/* Takes fd over, also on failure: a regular file. false: *error says why not, in words that follow the file's name. */
bool core_bytes_open(struct core_bytes *bytes, int fd, struct error *error);
void core_bytes_close(struct core_bytes *bytes);

/* Reads up to n bytes at `offset`; returns how many of the first ones could be had. */
size_t core_bytes_read(const struct core_bytes *bytes, uint64_t offset, void *buffer, size_t n);

/* The first stretch of [from, to) that is no hole into *start, *end. false: all of it is. */
bool core_bytes_data(const struct core_bytes *bytes, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end);

/* ---- core_zstd.c ---- */

#define CORE_ZSTD_MAGIC 0xfd2fb528u         /* of a frame */
#define CORE_ZSTD_SKIP 0x184d2a50u          /* of a frame to be skipped: the lowest 4 bits are free */
#define CORE_ZSTD_SEEK 0x8f92eab1u          /* ends a table of frames */
#define CORE_ZSTD_FRAME ((size_t)256 << 10) /* bytes that a frame of our own dumps holds */

/* Finds the frames of a compressed file. Where they are too large to be read one by one, the file is unpacked into a nameless
 * temporary one with holes, bytes->fd becomes that one, and bytes->frames stays NULL. */
bool core_zstd_open(struct core_bytes *bytes, struct error *error);
void core_zstd_close(struct core_frames *frames);
size_t core_zstd_read(const struct core_bytes *bytes, uint64_t offset, void *buffer, size_t n);

#endif
