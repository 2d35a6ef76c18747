/* Memory images, the part that is the same for all of them: the list of mappings and bounded reads.
 *
 * The mappings are sorted and may not overlap; look-ups are binary searches. Reads never cross the end of the address space,
 * and what the callback claims to have read beyond the request is not believed. */
#include "image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "sorted.h"

static int by_start(const void *left, const void *right)
{
    const struct image_mapping *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

struct image *image_new(const struct image_ops *ops, void *ctx, struct image_mapping *mappings, size_t n, struct error *error)
{
    uint64_t bytes = 0;
    if (n)
        qsort(mappings, n, sizeof *mappings, by_start);
    for (size_t i = 0; i < n; i++) {
        if (mappings[i].start >= mappings[i].end || (i && mappings[i].start < mappings[i - 1].end)) {
            error_set(error, "the list of mappings is damaged at 0x%llx", (unsigned long long)mappings[i].start);
            return NULL;
        }
        bytes += mappings[i].end - mappings[i].start;
    }
    struct image *image = memory_new(1, sizeof *image);
    image->ops = ops;
    image->ctx = ctx;
    image->mappings = mappings;
    image->n_mappings = n;
    image->mapped_bytes = bytes;
    return image;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    if (image->ops->close)
        image->ops->close(image->ctx);
    for (size_t i = 0; i < image->n_mappings; i++)
        free((char *)(uintptr_t)image->mappings[i].path);
    free(image->mappings);
    for (size_t i = 0; i < image->n_threads; i++)
        free((uint64_t *)(uintptr_t)image->threads[i].words);
    free(image->threads);
    free(image->threads_by_tid);
    free(image->auxv);
    for (size_t i = 0; i < image->n_notes; i++)
        free(image->notes[i]);
    free(image->notes);
    free(image->left_out);
    free(image);
}

size_t image_thread(const struct image *image, int tid)
{
    size_t low = 0, high = image->n_threads;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (image->threads[image->threads_by_tid[middle]].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < image->n_threads && image->threads[image->threads_by_tid[low]].tid == tid ? image->threads_by_tid[low] + (size_t)1 : 0;
}

void image_note(struct image *image, const char *format, ...)
{
    char *line;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&line, format, args);
    va_end(args);
    if (n < 0)
        return;
    image->notes = memory_resize(image->notes, image->n_notes + 1, sizeof *image->notes);
    image->notes[image->n_notes++] = line;
}

size_t image_read(const struct image *image, uint64_t address, void *buffer, size_t n)
{
    if (n == 0)
        return 0;
    if (n - 1 > UINT64_MAX - address)
        n = (size_t)(UINT64_MAX - address) + 1;
    size_t got = image->ops->read(image->ctx, address, buffer, n);
    return got < n ? got : n;
}

/* Pages are the unit of what can and cannot be read; 4 KiB is right or a divisor everywhere. */
#define PAGE 4096u

size_t image_read_around(const struct image *image, uint64_t address, void *buffer, size_t n)
{
    unsigned char *bytes = buffer;
    size_t done = 0, read = 0;
    while (done < n) {
        size_t got = image_read(image, address + done, bytes + done, n - done);
        done += got;
        read += got;
        if (done == n)
            break;
        size_t skip = PAGE - (size_t)((address + done) % PAGE);
        if (skip > n - done)
            skip = n - done;
        memset(bytes + done, 0, skip);
        done += skip;
    }
    return read;
}

const struct image_mapping *image_mapping_at(const struct image *image, uint64_t address)
{
    size_t low = SORTED_UP_TO(image->mappings, image->n_mappings, end, address);
    return low < image->n_mappings && image->mappings[low].start <= address ? &image->mappings[low] : NULL;
}

bool image_covers(const struct image *image, uint64_t address, uint64_t n)
{
    uint64_t end;
    if (n == 0 || __builtin_add_overflow(address, n, &end))
        return false;
    const struct image_mapping *mapping = image_mapping_at(image, address);
    const struct image_mapping *last = image->mappings + image->n_mappings;
    while (mapping && mapping->end < end) {
        if (mapping + 1 == last || mapping[1].start != mapping->end)
            return false;
        mapping++;
    }
    return mapping != NULL;
}
