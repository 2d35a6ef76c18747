/* Fit policies over the set of free segments.
 *
 *    tlsf   bins by size in two levels: O(1), good fit                                   bins.c
 *    first  lowest address that fits                                                     tree.c, by address
 *    next   the same from where the last allocation ended, then from the start           tree.c, by address
 *    best   smallest that fits, lowest address among equals                              tree.c, by size
 *    worst  largest, lowest address among equals                                         tree.c, by size
 *
 * The trees know the largest size below each node, so each policy finds its segment in O(log n) and what cannot fit is refused by
 * one comparison. A request with an alignment above the grain tries further segments in the policy's order until one holds it. */
#include "heap/fit.h"

#include "heap/bins.h"
#include "heap/bits.h"
#include "heap/tree.h"

void fit_init(struct fit *fit, enum heap_fit policy)
{
    zero_bytes(fit, sizeof *fit);
    fit->policy = policy;
}

static enum tree_order order_of(const struct fit *fit)
{
    return fit->policy == HEAP_FIT_BEST || fit->policy == HEAP_FIT_WORST ? TREE_BY_SIZE : TREE_BY_ADDRESS;
}

void fit_insert(struct fit *fit, struct segment *segment)
{
    fit->free_bytes += segment->bytes;
    if (fit->policy == HEAP_FIT_TLSF)
        bins_insert(&fit->bins, segment);
    else
        tree_insert(&fit->root, segment, order_of(fit));
}

void fit_remove(struct fit *fit, struct segment *segment)
{
    fit->free_bytes -= segment->bytes;
    if (fit->policy == HEAP_FIT_TLSF)
        bins_remove(&fit->bins, segment);
    else
        tree_remove(&fit->root, segment, order_of(fit));
}

size_t fit_gap(const struct segment *segment, size_t bytes, size_t phase, size_t align)
{
    size_t gap = align_gap((uintptr_t)segment->start, phase, align);
    return segment->bytes >= bytes && segment->bytes - bytes >= gap ? gap : SIZE_MAX;
}

/* The lowest segment from `from` up, below `end`, that holds the request. */
static struct segment *by_address(const struct fit *fit, const char *from, const char *end, size_t bytes, size_t phase, size_t align)
{
    struct segment *segment = tree_first(fit->root, from, bytes);
    while (segment != NULL && fit_gap(segment, bytes, phase, align) == SIZE_MAX)
        segment = tree_first(fit->root, segment->start + 1, bytes);
    return segment != NULL && (end == NULL || segment->start < end) ? segment : NULL;
}

/* The first segment in order of size from `least` up that holds the request. */
static struct segment *by_size(const struct fit *fit, size_t least, size_t bytes, size_t phase, size_t align)
{
    struct segment *segment = tree_at_least(fit->root, least, NULL);
    while (segment != NULL && fit_gap(segment, bytes, phase, align) == SIZE_MAX)
        segment = tree_at_least(fit->root, segment->bytes, segment->start + 1);
    return segment;
}

struct segment *fit_choose(struct fit *fit, size_t bytes, size_t phase, size_t align)
{
    struct segment *segment;
    switch (fit->policy) {
    case HEAP_FIT_FIRST:
        return by_address(fit, NULL, NULL, bytes, phase, align);
    case HEAP_FIT_NEXT:
        segment = by_address(fit, fit->cursor, NULL, bytes, phase, align);
        return segment != NULL || fit->cursor == NULL ? segment : by_address(fit, NULL, fit->cursor, bytes, phase, align);
    case HEAP_FIT_BEST:
        return by_size(fit, bytes, bytes, phase, align);
    case HEAP_FIT_WORST:
        if (tree_largest(fit->root) < bytes)
            return NULL;
        segment = by_size(fit, tree_largest(fit->root), bytes, phase, align);
        return segment != NULL ? segment : by_size(fit, bytes, bytes, phase, align);    /* the largest do not hold it aligned */
    case HEAP_FIT_TLSF:
    default:
        if (fit->bins.largest_known && fit->bins.largest < bytes)
            return NULL;
        return bins_choose(&fit->bins, bytes, phase, align);
    }
}

size_t fit_largest(struct fit *fit)
{
    return fit->policy == HEAP_FIT_TLSF ? bins_largest(&fit->bins) : tree_largest(fit->root);
}

size_t fit_consistent(const struct fit *fit, struct check *check)
{
    return fit->policy == HEAP_FIT_TLSF ? bins_consistent(&fit->bins, check) : tree_consistent(fit->root, order_of(fit), check);
}
