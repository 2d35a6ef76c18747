/* Looking up in arrays that are sorted by a number. */
#ifndef MIDDEN_REPORT_SORTED_H
#define MIDDEN_REPORT_SORTED_H

#include <stddef.h>
#include <stdint.h>

/* How many of the `n` rows of `size` bytes have at most `key` in their 64-bit field `offset` bytes in, by which they are sorted: the last of them is
 * the one that begins at or before it. Inline: with what is constant known it is as good as one written out. */
static inline size_t sorted_up_to(const void *rows, size_t n, size_t size, size_t offset, uint64_t key)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const void *field = (const char *)rows + middle * size + offset;
        if (*(const uint64_t *)field <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The same of an array by a field of its rows. */
#define SORTED_FIELD(rows, field) \
    (offsetof(__typeof__(*(rows)), field) + 0 * sizeof(char[sizeof (rows)->field == sizeof(uint64_t) ? 1 : -1]))  /* 64 bits, or it does not compile */
#define SORTED_UP_TO(rows, n, field, key) sorted_up_to((rows), (n), sizeof *(rows), SORTED_FIELD(rows, field), (key))

#endif
