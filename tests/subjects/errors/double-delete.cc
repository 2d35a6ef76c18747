/* Two owners delete the same object. */
#include "subject.h"

struct Node { int value; Node *next; };

static NOINLINE void destroy(Node *node)
{
    delete node; /* FREE */
    __asm__ volatile("");
}

int main()
{
    Node *node = new Node{1, nullptr}; /* ALLOC */
    Node *again = node;
    KEEP(node);
    KEEP(again);
    destroy(node);
    delete again; /* BUG: double-free free offset=0 */
    __asm__ volatile("");
}
