/* Bins: free segments by size in two levels, for the tlsf policy. */
#ifndef MIDDEN_HEAP_BINS_H
#define MIDDEN_HEAP_BINS_H

#include "heap/fit.h"

void bins_insert(struct bins *bins, struct segment *segment);
void bins_remove(struct bins *bins, struct segment *segment);
struct segment *bins_choose(struct bins *bins, size_t bytes, size_t phase, size_t align);
size_t bins_largest(struct bins *bins);
size_t bins_consistent(const struct bins *bins, struct check *check);

#endif
