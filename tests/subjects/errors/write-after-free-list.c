/* A list is freed front to back, and the loop reads and writes the node it has just freed. */
#include "subject.h"

struct node { struct node *next; int count; };

static NOINLINE struct node *push(struct node *next)
{
    struct node *node = malloc(sizeof *node); /* ALLOC */
    KEEP(node);
    node->next = next;
    node->count = 0;
    return node;
}

int main(void)
{
    struct node *list = push(NULL), *volatile stale = list;
    KEEP(list);
    free(list); /* FREE */
    ((volatile struct node *)stale)->count = 7; /* BUG: heap-use-after-free write offset=8 size=4 */
    return 0;
}
