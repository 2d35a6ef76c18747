/* A small program with two mistakes that compile without a warning and run without a crash: what midden says about them is shown
 * by scripts/try.
 *
 *     cc -g -o orders orders.c && midden run ./orders */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order {
    struct order *next;
    char *customer;
    int pieces;
};

static struct order *orders;

/* Room for the text but not for the NUL that ends it. */
static char *copy_name(const char *name)
{
    char *copy = malloc(strlen(name));
    if (copy)
        strcpy(copy, name);
    return copy;
}

static void add_order(const char *customer, int pieces)
{
    struct order *order = malloc(sizeof *order);
    if (!order)
        return;
    order->customer = copy_name(customer);
    order->pieces = pieces;
    order->next = orders;
    orders = order;
}

/* Takes the newest order off the list and forgets about it: order and name are lost. */
static void cancel_newest(void)
{
    if (orders)
        orders = orders->next;
}

int main(void)
{
    add_order("Ada", 3);
    add_order("Grace", 5);
    add_order("Barbara", 1);
    cancel_newest();

    int pieces = 0;
    for (const struct order *order = orders; order; order = order->next)
        pieces += order->pieces;
    printf("%d pieces ordered\n", pieces);

    while (orders) {
        struct order *next = orders->next;
        free(orders->customer);
        free(orders);
        orders = next;
    }
    return 0;
}
