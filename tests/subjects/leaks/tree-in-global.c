/* A tree that a global variable holds: reachable, all of it. */
#include "subject.h"

struct tree { struct tree *left, *right; long key; };

struct tree *root;

static NOINLINE struct tree *grow(int depth)
{
    struct tree *tree = malloc(sizeof *tree); /* LEAK: reachable 744 bytes 31 blocks */
    KEEP(tree);
    tree->left = depth ? grow(depth - 1) : NULL;
    tree->right = depth ? grow(depth - 1) : NULL;
    tree->key = depth;
    return tree;
}

int main(void)
{
    root = grow(4);
    scrub();
    return 0;
}
