/* Three nodes in a ring, nobody outside holds one: one of them counts as definite, the others hang on it. */
#include "subject.h"

struct node { struct node *next; long weight[3]; };

static NOINLINE struct node *make(void)
{
    struct node *node = calloc(1, sizeof *node); /* LEAK: definite 32 bytes 1 block over 64 bytes 2 blocks */ /* LEAK: indirect 64 bytes 2 blocks */
    KEEP(node);
    return node;
}

static NOINLINE void tie(void)
{
    struct node *a = make(), *b = make(), *c = make();
    a->next = b;
    b->next = c;
    c->next = a;
    KEEP(a);
}

int main(void)
{
    tie();
    scrub();
    return 0;
}
