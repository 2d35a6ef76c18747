/* Reading an image's arrays one after the other, small ones in one go.
 *
 * The records of a region are some 24 KiB, and those of the next one mostly follow closely: who asks for what lies shortly behind what he asked
 * for before gets more than that read, twice as much each time, so that most questions are answered without a system call. A question
 * that does not follow the last one is read as it is. Reads are of whole pages, as far as the mapping goes. */
#include "image_stream.h"

#include <stdlib.h>

#include "memory.h"

#define PAGE_BYTES ((uint64_t)4096)
#define NEAR_BYTES 8192u            /* what follows as closely is the next of a row */
#define FIRST_AHEAD ((size_t)32 << 10)

bool stream_begin(struct image_stream *stream, const struct image *image)
{
    *stream = (struct image_stream){.image = image, .bytes = memory_try(1, STREAM_BYTES)};
    return stream->bytes != NULL;
}

void stream_end(struct image_stream *stream)
{
    free(stream->bytes);
    stream->bytes = NULL;
}

static void fill(struct image_stream *stream, uint64_t address, size_t n)
{
    const struct image_mapping *mapping = image_mapping_at(stream->image, address);
    bool follows = stream->asked && address >= stream->asked && address - stream->asked <= NEAR_BYTES;
    uint64_t start = address, end = address + n;
    stream->ahead = !follows ? 0 : stream->ahead ? 2 * stream->ahead : FIRST_AHEAD;
    if (mapping && mapping->end >= end && !(address & 7)) {
        uint64_t page = address & ~(PAGE_BYTES - 1);
        start = mapping->start <= page ? page : address;
        if (stream->ahead > STREAM_BYTES)
            stream->ahead = STREAM_BYTES;
        end += stream->ahead;
        end = end - start > STREAM_BYTES ? start + STREAM_BYTES : end;
        end = end > mapping->end ? mapping->end : end;
    }
    stream->start = start;
    stream->n = (size_t)(end - start);
    image_read_around(stream->image, start, stream->bytes, stream->n);
}

const void *stream_at(struct image_stream *stream, uint64_t address, size_t n)
{
    if (n > STREAM_MOST)
        n = STREAM_MOST;
    if (address < stream->start || address - stream->start > stream->n || stream->n - (size_t)(address - stream->start) < n || (address - stream->start) % 8)
        fill(stream, address, n);
    stream->asked = address + n;
    return stream->bytes + (address - stream->start);
}
