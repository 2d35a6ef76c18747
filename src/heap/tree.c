/* A treap of free segments that knows the largest size in every subtree.
 *
 * A search tree by address or by size whose shape is that of random insertions: each node has a priority, a hash of its own
 * address, and a parent's is never below its children's. Expected depth 2 ln n.
 *
 * 1. Insertion goes down while priorities are higher, splits what is below by the new key, and puts the halves under the new node.
 * 2. Removal replaces the node by the join of its subtrees.
 * 3. `weight`, the largest size in a subtree, is brought up to date on the way back up.
 * 4. First fit from an address goes left wherever the left subtree's weight promises a fit, so it needs no walk.
 *
 * Limits: recursion to the tree's depth, about 50 small frames at a million segments. */
#include "heap/tree.h"

#include "heap/bits.h"

static uint64_t priority(const struct segment *segment) { return ((uintptr_t)segment >> 4) * 0x9e3779b97f4a7c15ull; }

static bool before(const struct segment *a, const struct segment *b, enum tree_order order)
{
    if (order == TREE_BY_SIZE && a->bytes != b->bytes)
        return a->bytes < b->bytes;
    return a->start < b->start;
}

static void weigh(struct segment *node)
{
    size_t weight = node->bytes;
    if (node->left != NULL && node->left->weight > weight)
        weight = node->left->weight;
    if (node->right != NULL && node->right->weight > weight)
        weight = node->right->weight;
    node->weight = weight;
}

/* Parts the tree into what lies before the key and what lies after it. */
static void split(struct segment *node, const struct segment *key, enum tree_order order, struct segment **low, struct segment **high)
{
    if (node == NULL) {
        *low = *high = NULL;
    } else if (before(node, key, order)) {
        split(node->right, key, order, &node->right, high);
        weigh(node);
        *low = node;
    } else {
        split(node->left, key, order, low, &node->left);
        weigh(node);
        *high = node;
    }
}

/* All of `low` lies before all of `high`. */
static struct segment *join(struct segment *low, struct segment *high)
{
    if (low == NULL || high == NULL)
        return low == NULL ? high : low;
    if (priority(low) > priority(high)) {
        low->right = join(low->right, high);
        weigh(low);
        return low;
    }
    high->left = join(low, high->left);
    weigh(high);
    return high;
}

void tree_insert(struct segment **root, struct segment *segment, enum tree_order order)
{
    struct segment *node = *root;
    if (node == NULL || priority(segment) > priority(node)) {
        struct segment *low, *high;     /* not the fields themselves: `segment` is the key of the split */
        split(node, segment, order, &low, &high);
        segment->left = low;
        segment->right = high;
        *root = segment;
    } else {
        tree_insert(before(segment, node, order) ? &node->left : &node->right, segment, order);
    }
    weigh(*root);
}

void tree_remove(struct segment **root, struct segment *segment, enum tree_order order)
{
    struct segment *node = *root;
    if (node == segment) {
        *root = join(node->left, node->right);
        return;
    }
    if (node == NULL)
        return;
    tree_remove(before(segment, node, order) ? &node->left : &node->right, segment, order);
    weigh(node);
}

struct segment *tree_first(struct segment *root, const char *from, size_t bytes)
{
    if (root == NULL || root->weight < bytes)
        return NULL;
    if (root->start >= from) {
        struct segment *lower = tree_first(root->left, from, bytes);
        if (lower != NULL)
            return lower;
        if (root->bytes >= bytes)
            return root;
    }
    return tree_first(root->right, from, bytes);
}

struct segment *tree_at_least(struct segment *root, size_t bytes, const char *start)
{
    struct segment *best = NULL;
    while (root != NULL) {
        if (root->bytes > bytes || (root->bytes == bytes && root->start >= start)) {
            best = root;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return best;
}

size_t tree_consistent(const struct segment *root, enum tree_order order, struct check *check)
{
    if (root == NULL)
        return 0;
    size_t largest = root->bytes;
    const struct segment *children[2] = {root->left, root->right};
    size_t count = 1;
    for (int side = 0; side < 2; side++) {
        const struct segment *child = children[side];
        if (child == NULL)
            continue;
        check_that(check, side == 0 ? before(child, root, order) : before(root, child, order), "tree: child on the wrong side, start", (uintptr_t)child->start);
        check_that(check, priority(child) <= priority(root), "tree: child above its parent, start", (uintptr_t)child->start);
        count += tree_consistent(child, order, check);
        if (child->weight > largest)
            largest = child->weight;
    }
    check_equal(check, "tree", "weight", root->weight, "largest in the subtree", largest);
    return count;
}
