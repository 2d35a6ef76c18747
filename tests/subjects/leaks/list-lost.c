/* A linked list of ten nodes whose head goes out of scope. */
#include "subject.h"

struct node { struct node *next; int value; };

static NOINLINE struct node *push(struct node *next, int value)
{
    struct node *node = malloc(sizeof *node); /* LEAK: definite 16 bytes 1 block over 144 bytes 9 blocks */ /* LEAK: indirect 144 bytes 9 blocks */
    KEEP(node);
    node->next = next;
    node->value = value;
    return node;
}

static NOINLINE void build(void)
{
    struct node *list = NULL;
    for (int i = 0; i < 10; i++)
        list = push(list, i);
    KEEP(list);
}

int main(void)
{
    build();
    scrub();
    return 0;
}
