/* Tree: free segments in order, for the policies first, next, best and worst. */
#ifndef MIDDEN_HEAP_TREE_H
#define MIDDEN_HEAP_TREE_H

#include "heap/fit.h"

enum tree_order { TREE_BY_ADDRESS, TREE_BY_SIZE };      /* by size: equal sizes by address */

void tree_insert(struct segment **root, struct segment *segment, enum tree_order order);
void tree_remove(struct segment **root, struct segment *segment, enum tree_order order);

/* By address: the lowest segment that starts at `from` or above and has at least `bytes`. O(log n). */
struct segment *tree_first(struct segment *root, const char *from, size_t bytes);

/* By size: the first segment in order that is not before (bytes, start). O(log n). */
struct segment *tree_at_least(struct segment *root, size_t bytes, const char *start);

/* Bytes of the largest segment; 0: the tree is empty. O(1). */
static inline size_t tree_largest(const struct segment *root) { return root == NULL ? 0 : root->weight; }

size_t tree_consistent(const struct segment *root, enum tree_order order, struct check *check);

#endif
