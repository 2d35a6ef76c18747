/* A xor-linked list, whole at all times: no plain pointer to an inner node, so it is freed before the end. */
#include "subject.h"

struct node { uintptr_t link; int value; };

int main(void)
{
    struct node *previous = NULL, *first = NULL;
    for (int i = 0; i < 100; i++) {
        struct node *node = malloc(sizeof *node);
        node->value = i;
        node->link = (uintptr_t)previous;
        if (previous)
            previous->link ^= (uintptr_t)node;
        else
            first = node;
        previous = node;
    }
    int sum = 0;
    uintptr_t before = 0;
    for (struct node *node = first; node;) {
        struct node *next = (struct node *)(node->link ^ before);
        before = (uintptr_t)node;
        sum += node->value;
        free(node);
        node = next;
    }
    printf("%d\n", sum);
    return 0;
}
