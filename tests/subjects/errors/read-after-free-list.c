/* for (node = list; node; node = node->next) free(node): the next pointer is read from a freed block. */
#include "subject.h"

struct node { struct node *next; int value; };

static NOINLINE struct node *push(struct node *next)
{
    struct node *node = malloc(sizeof *node); /* ALLOC */
    KEEP(node);
    node->next = next;
    return node;
}

int main(void)
{
    struct node *list = push(push(NULL)), *next;
    for (struct node *node = list; node; node = next) {
        free(node); /* FREE */
        KEEP(node);
        next = ((volatile struct node *)node)->next; /* BUG: heap-use-after-free read offset=0 */
        KEEP(next);
        puts(next ? "more" : "last");
        break;
    }
    return 0;
}
