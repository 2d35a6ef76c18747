/* Reading an image's arrays one after the other: image_stream.c. */
#ifndef MIDDEN_REPORT_IMAGE_STREAM_H
#define MIDDEN_REPORT_IMAGE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

#define STREAM_BYTES ((size_t)512 << 10)
#define STREAM_MOST (STREAM_BYTES - 8192)       /* that may be asked for at once */

struct image_stream {
    const struct image *image;
    unsigned char *bytes;       /* [STREAM_BYTES] */
    uint64_t start;             /* they hold [start, start + n) of the image */
    size_t n;
    uint64_t asked;             /* end of what was asked for last */
    size_t ahead;               /* bytes to read beyond what is asked for */
};

/* false: no memory. */
bool stream_begin(struct image_stream *stream, const struct image *image);
void stream_end(struct image_stream *stream);

/* The n bytes (at most STREAM_MOST) at address, until the next call; as well aligned as address, up to 8 bytes. What cannot be read is zero. */
const void *stream_at(struct image_stream *stream, uint64_t address, size_t n);

#endif
