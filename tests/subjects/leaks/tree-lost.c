/* The same tree, lost: its root is definite, the rest indirect. */
#include "subject.h"

struct tree { struct tree *left, *right; long key; };

static NOINLINE struct tree *grow(int depth)
{
    struct tree *tree = malloc(sizeof *tree); /* LEAK: definite 24 bytes 1 block over 720 bytes 30 blocks */ /* LEAK: indirect 720 bytes 30 blocks */
    KEEP(tree);
    tree->left = depth ? grow(depth - 1) : NULL;
    tree->right = depth ? grow(depth - 1) : NULL;
    tree->key = depth;
    return tree;
}

static NOINLINE void work(void)
{
    struct tree *tree = grow(4);
    KEEP(tree);
}

int main(void)
{
    work();
    scrub();
    return 0;
}
