/* An interior pointer to a block that holds others: what hangs on a possible block is possible as well. */
#include "subject.h"

struct node { struct node *next; char text[24]; };

char *inside;

static NOINLINE struct node *push(struct node *next)
{
    struct node *node = calloc(1, sizeof *node); /* LEAK: possible 160 bytes 5 blocks */
    KEEP(node);
    node->next = next;
    return node;
}

static NOINLINE void build(void)
{
    struct node *list = NULL;
    for (int i = 0; i < 5; i++)
        list = push(list);
    inside = list->text + 5;
    KEEP(list);
}

int main(void)
{
    build();
    scrub();
    return 0;
}
