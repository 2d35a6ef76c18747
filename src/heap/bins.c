/* Two-level segregated fit: the set of free segments as bins, insertion, removal and choice in O(1).
 *
 * 1. A size below 512 falls in level 0, step size / 16; any other in the level of its power of two, and within that in one of 32
 *    equal steps. Two bitmaps say which levels and which bins of a level are not empty.
 * 2. A request is rounded up to the next step, so that every segment in the bin found serves; the bitmaps give the first bin
 *    from there up with two bit scans.
 * 3. Only when that finds nothing are the first few segments of the request's own bin tried, some of which may serve.
 *
 * Limits: good fit, not best: up to 1/32 of a request is passed over. A request with a larger alignment looks for its size plus
 * the alignment. The exact size of the largest segment is found by walking the top bin, and then remembered until it goes. */
#include "heap/bins.h"

#include "heap/bits.h"

#define LINEAR_BYTES ((size_t)GRAIN << BIN_SHIFT)       /* 512: below it, steps are grains */
#define LINEAR_LOG (4 + BIN_SHIFT)
#define TRIES 16

static void bin_of(size_t bytes, unsigned *level, unsigned *step)
{
    if (bytes < LINEAR_BYTES) {
        *level = 0;
        *step = (unsigned)(bytes / GRAIN);
        return;
    }
    unsigned log = log2_floor(bytes);
    *level = log - LINEAR_LOG + 1;
    *step = (unsigned)(bytes >> (log - BIN_SHIFT)) & (BIN_STEPS - 1);
    if (*level >= BIN_LEVELS) {         /* all larger ones share the last bin */
        *level = BIN_LEVELS - 1;
        *step = BIN_STEPS - 1;
    }
}

void bins_insert(struct bins *bins, struct segment *segment)
{
    unsigned level, step;
    bin_of(segment->bytes, &level, &step);
    struct segment *head = bins->heads[level][step];
    segment->left = NULL;
    segment->right = head;
    if (head != NULL)
        head->left = segment;
    bins->heads[level][step] = segment;
    bins->steps[level] |= 1u << step;
    bins->levels |= 1ull << level;
    if (bins->largest_known && segment->bytes > bins->largest)
        bins->largest = segment->bytes;
}

void bins_remove(struct bins *bins, struct segment *segment)
{
    unsigned level, step;
    bin_of(segment->bytes, &level, &step);
    if (segment->left != NULL)
        segment->left->right = segment->right;
    else
        bins->heads[level][step] = segment->right;
    if (segment->right != NULL)
        segment->right->left = segment->left;
    if (bins->heads[level][step] == NULL) {
        bins->steps[level] &= ~(1u << step);
        if (bins->steps[level] == 0)
            bins->levels &= ~(1ull << level);
    }
    if (segment->bytes == bins->largest)
        bins->largest_known = false;
}

/* The first segment of the lowest bin at (level, step) or above. */
static struct segment *first_from(const struct bins *bins, unsigned level, unsigned step)
{
    if (level >= BIN_LEVELS)
        return NULL;
    uint32_t steps = bins->steps[level] & ~0u << step;
    if (steps == 0) {
        uint64_t levels = bins->levels & ~0ull << (level + 1);
        if (levels == 0)
            return NULL;
        level = (unsigned)__builtin_ctzll(levels);
        steps = bins->steps[level];
    }
    return bins->heads[level][__builtin_ctz(steps)];
}

struct segment *bins_choose(struct bins *bins, size_t bytes, size_t phase, size_t align)
{
    unsigned level, step;
    size_t sure = bytes + (align - GRAIN);
    size_t up = sure < LINEAR_BYTES ? sure : sure + ((size_t)1 << (log2_floor(sure) - BIN_SHIFT)) - 1;
    bin_of(up, &level, &step);
    struct segment *segment = first_from(bins, level, step);
    if (segment != NULL && fit_gap(segment, bytes, phase, align) != SIZE_MAX)
        return segment;
    bin_of(bytes, &level, &step);
    unsigned last_level, last_step, tries = TRIES;
    bin_of(sure, &last_level, &last_step);
    for (;;) {      /* the own bin, and with a larger alignment those up to the sure size */
        for (segment = bins->heads[level][step]; segment != NULL && tries != 0; segment = segment->right, tries--)
            if (fit_gap(segment, bytes, phase, align) != SIZE_MAX)
                return segment;
        if (tries == 0 || level > last_level || (level == last_level && step >= last_step))
            return NULL;
        segment = step + 1 < BIN_STEPS ? first_from(bins, level, step + 1) : first_from(bins, level + 1, 0);
        if (segment == NULL)
            return NULL;
        bin_of(segment->bytes, &level, &step);
    }
}

size_t bins_largest(struct bins *bins)
{
    if (bins->largest_known)
        return bins->largest;
    size_t largest = 0;
    if (bins->levels != 0) {
        unsigned level = log2_floor(bins->levels), step = log2_floor(bins->steps[level]);
        for (const struct segment *segment = bins->heads[level][step]; segment != NULL; segment = segment->right)
            if (segment->bytes > largest)
                largest = segment->bytes;
    }
    bins->largest = largest;
    bins->largest_known = true;
    return largest;
}

size_t bins_consistent(const struct bins *bins, struct check *check)
{
    size_t count = 0, largest = 0;
    for (unsigned level = 0; level < BIN_LEVELS; level++) {
        check_equal(check, "bins", "bit of the level", bins->levels >> level & 1, "its steps are not empty", bins->steps[level] != 0);
        for (unsigned step = 0; step < BIN_STEPS; step++) {
            const struct segment *before = NULL;
            check_equal(check, "bins", "bit of the bin", bins->steps[level] >> step & 1, "it has a head", bins->heads[level][step] != NULL);
            for (const struct segment *at = bins->heads[level][step]; at != NULL; before = at, at = at->right) {
                unsigned own_level, own_step;
                bin_of(at->bytes, &own_level, &own_step);
                check_equal(check, "bins", "bin of the size", own_level * BIN_STEPS + own_step, "bin it is in", level * BIN_STEPS + step);
                check_equal(check, "bins", "link back", (uintptr_t)at->left, "segment before", (uintptr_t)before);
                if (at->bytes > largest)
                    largest = at->bytes;
                count++;
            }
        }
    }
    if (bins->largest_known)
        check_equal(check, "bins", "largest known", bins->largest, "largest counted", largest);
    return count;
}
