/* A pair that point at each other, and a block that points at itself. */
#include "subject.h"

struct node { struct node *next; };

static NOINLINE void pair(void)
{
    struct node *a = malloc(100); /* LEAK: definite 100 bytes 1 block over 100 bytes 1 block */
    KEEP(a);
    struct node *b = malloc(100); /* LEAK: indirect 100 bytes 1 block */
    KEEP(b);
    memset(a, 0, 100);
    memset(b, 0, 100);
    a->next = b;
    b->next = a;
    KEEP(b);
}

static NOINLINE void self(void)
{
    struct node *node = malloc(50); /* LEAK: definite 50 bytes 1 block */
    KEEP(node);
    memset(node, 0, 50);
    node->next = node;
    KEEP(node);
}

int main(void)
{
    pair();
    self();
    scrub();
    return 0;
}
