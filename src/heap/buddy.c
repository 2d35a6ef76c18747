/* Binary buddy: one free list per order, a state bitmap, split and coalesce.
 *
 * The blocks that can exist form a tree; node 1 is the whole stretch, nodes 2n and 2n+1 are the halves of node n:
 *
 *    order 2   │               1               │
 *    order 1   │       2       │       3       │        node(order, unit) = (1 << (top - order)) + (unit >> order)
 *    order 0   │   4   │   5   │   6   │   7   │
 *
 * Two bits per node say what is there: free (in the list of its order), in use, or neither (it is split, or part of a larger
 * block).
 *
 * 1. Allocation takes the first block of the smallest order that has one and halves it until it fits; each upper half goes to
 *    the list of its order.
 * 2. Freeing finds the order by the `used` bits above the block's first unit, then joins the block with its buddy (unit ^ size)
 *    as long as that is free, and links the result.
 * 3. A set keeps its stretches in lists by the order of their largest free block, so that no search over stretches is needed,
 *    and allocations gather in stretches that are already broken up.
 *
 * Links lie in an array beside the stretch: nothing is written to the memory that is given out.
 *
 * Limits: sizes are powers of two of units, so up to half of a block is waste. Not for threads, except buddy_find. */
#include "heap/buddy.h"

#include "heap/bits.h"

static size_t node_of(const struct buddy *buddy, unsigned order, uint32_t unit)
{
    return ((size_t)1 << (buddy->top - order)) + (unit >> order);
}

size_t buddy_book_bytes(unsigned top)
{
    size_t units = (size_t)1 << top;
    return 2 * 8 * bit_words(2 * units) + units * sizeof(struct buddy_link);
}

static void list_push(struct buddy *buddy, unsigned order, uint32_t unit)
{
    uint32_t head = buddy->heads[order];
    buddy->links[unit].prev = 0;
    buddy->links[unit].next = head;
    if (head != 0)
        buddy->links[head - 1].prev = unit + 1;
    buddy->heads[order] = unit + 1;
    buddy->available |= 1u << order;
    bit_set(buddy->free, node_of(buddy, order, unit));
}

static void list_unlink(struct buddy *buddy, unsigned order, uint32_t unit)
{
    struct buddy_link link = buddy->links[unit];
    if (link.prev != 0)
        buddy->links[link.prev - 1].next = link.next;
    else
        buddy->heads[order] = link.next;
    if (link.next != 0)
        buddy->links[link.next - 1].prev = link.prev;
    if (buddy->heads[order] == 0)
        buddy->available &= ~(1u << order);
    bit_clear(buddy->free, node_of(buddy, order, unit));
}

void buddy_init(struct buddy *buddy, char *base, unsigned unit_shift, unsigned top, void *book)
{
    size_t words = bit_words((size_t)2 << top);
    buddy->base = base;
    buddy->unit_shift = unit_shift;
    buddy->top = top;
    buddy->free = book;
    buddy->used = buddy->free + words;
    buddy->links = (struct buddy_link *)(buddy->used + words);
    for (unsigned order = 0; order < BUDDY_ORDERS; order++)
        buddy->heads[order] = 0;
    buddy->available = 0;
    buddy->free_units = 1u << top;
    buddy->next = buddy->prev = NULL;
    list_push(buddy, top, 0);
}

char *buddy_alloc(struct buddy *buddy, unsigned order)
{
    if (order > buddy->top || buddy->available >> order == 0)
        return NULL;
    unsigned have = order + (unsigned)__builtin_ctz(buddy->available >> order);
    uint32_t unit = buddy->heads[have] - 1;
    list_unlink(buddy, have, unit);
    while (have > order) {
        have--;
        list_push(buddy, have, unit + (1u << have));
    }
    bit_set(buddy->used, node_of(buddy, order, unit));
    buddy->free_units -= 1u << order;
    return buddy->base + ((size_t)unit << buddy->unit_shift);
}

int buddy_free(struct buddy *buddy, const char *block)
{
    char *start;
    unsigned order;
    if (!buddy_find(buddy, block, &start, &order) || start != block)
        return -1;
    uint32_t unit = (uint32_t)((size_t)(block - buddy->base) >> buddy->unit_shift);
    bit_clear(buddy->used, node_of(buddy, order, unit));
    buddy->free_units += 1u << order;
    unsigned joined = order;
    while (joined < buddy->top) {
        uint32_t other = unit ^ (1u << joined);
        if (!bit_get(buddy->free, node_of(buddy, joined, other)))
            break;
        list_unlink(buddy, joined, other);
        unit &= ~(1u << joined);
        joined++;
    }
    list_push(buddy, joined, unit);
    return (int)order;
}

bool buddy_find_in(const struct buddy_view *view, const char *address, char **start, unsigned *order)
{
    uint32_t unit = (uint32_t)((size_t)(address - view->base) >> view->unit_shift);
    for (unsigned k = 0; k <= view->top; k++) {
        if (!bit_get(view->used, ((size_t)1 << (view->top - k)) + (unit >> k)))
            continue;
        *start = view->base + ((size_t)(unit >> k << k) << view->unit_shift);
        *order = k;
        return true;
    }
    return false;
}

bool buddy_find(const struct buddy *buddy, const char *address, char **start, unsigned *order)
{
    struct buddy_view view = {buddy->base, buddy->unit_shift, buddy->top, buddy->used};
    return buddy_find_in(&view, address, start, order);
}

void buddy_each_free(const struct buddy *buddy, void (*visit)(void *ctx, char *start, size_t bytes), void *ctx)
{
    for (unsigned order = 0; order <= buddy->top; order++)
        for (uint32_t at = buddy->heads[order]; at != 0; at = buddy->links[at - 1].next)
            visit(ctx, buddy->base + ((size_t)(at - 1) << buddy->unit_shift), (size_t)1 << (order + buddy->unit_shift));
}

void buddy_consistent(const struct buddy *buddy, struct check *check)
{
    size_t units = (size_t)1 << buddy->top, free_units = 0, listed = 0, free_bits = 0;
    for (unsigned order = 0; order <= buddy->top; order++) {
        uint32_t before = 0;
        check_equal(check, "buddy", "bit of the order in `available`", buddy->available >> order & 1, "its list has a head", buddy->heads[order] != 0);
        for (uint32_t at = buddy->heads[order]; at != 0 && listed <= units; at = buddy->links[at - 1].next) {
            check_equal(check, "buddy: free list", "link back", buddy->links[at - 1].prev, "unit before", before);
            check_that(check, bit_get(buddy->free, node_of(buddy, order, at - 1)), "buddy: listed block is not marked free, unit", at - 1);
            check_that(check, (at - 1) % (1u << order) == 0, "buddy: block out of step with its order, unit", at - 1);
            if (order < buddy->top)
                check_that(check, !bit_get(buddy->free, node_of(buddy, order, (at - 1) ^ (1u << order))), "buddy: two free halves not joined, unit", at - 1);
            before = at;
            listed++;
            free_units += (size_t)1 << order;
        }
    }
    for (size_t i = 0; i < bit_words(2 * units); i++)
        free_bits += bit_count(buddy->free[i]);
    check_equal(check, "buddy", "blocks in the lists", listed, "blocks marked free", free_bits);
    check_equal(check, "buddy", "units in the lists", free_units, "free units", buddy->free_units);

    /* Each unit lies in exactly one block, free or used. */
    size_t used_units = 0;
    for (size_t node = 1; node < 2 * units; node++) {
        bool free = bit_get(buddy->free, node), used = bit_get(buddy->used, node);
        check_that(check, !(free && used), "buddy: a block both free and used, node", node);
        if (used)
            used_units += units >> log2_floor(node);
        if (free || used)
            for (size_t above = node / 2; above != 0; above /= 2)
                check_that(check, !bit_get(buddy->free, above) && !bit_get(buddy->used, above), "buddy: a block within a block, node", node);
    }
    check_equal(check, "buddy", "used and free units", used_units + free_units, "units", units);
}

static struct buddy **list_of(struct buddy_set *set, const struct buddy *buddy) { return &set->by_largest[buddy_largest(buddy) + 1]; }

void buddy_set_add(struct buddy_set *set, struct buddy *buddy)
{
    struct buddy **head = list_of(set, buddy);
    buddy->prev = NULL;
    buddy->next = *head;
    if (*head != NULL)
        (*head)->prev = buddy;
    *head = buddy;
}

static void unlist(struct buddy **head, struct buddy *buddy)
{
    if (buddy->prev != NULL)
        buddy->prev->next = buddy->next;
    else
        *head = buddy->next;
    if (buddy->next != NULL)
        buddy->next->prev = buddy->prev;
}

void buddy_set_remove(struct buddy_set *set, struct buddy *buddy) { unlist(list_of(set, buddy), buddy); }

char *buddy_set_alloc(struct buddy_set *set, unsigned order, struct buddy **from)
{
    for (unsigned largest = order; largest < BUDDY_ORDERS; largest++) {
        struct buddy **head = &set->by_largest[largest + 1], *buddy = *head;
        if (buddy == NULL)
            continue;
        char *block = buddy_alloc(buddy, order);
        if (list_of(set, buddy) != head) {
            unlist(head, buddy);
            buddy_set_add(set, buddy);
        }
        *from = buddy;
        return block;
    }
    return NULL;
}

int buddy_set_free(struct buddy_set *set, struct buddy *buddy, const char *block)
{
    struct buddy **head = list_of(set, buddy);
    int order = buddy_free(buddy, block);
    if (list_of(set, buddy) != head) {
        unlist(head, buddy);
        buddy_set_add(set, buddy);
    }
    return order;
}

void buddy_set_consistent(const struct buddy_set *set, struct check *check)
{
    for (int largest = -1; largest < BUDDY_ORDERS; largest++) {
        const struct buddy *before = NULL;
        for (const struct buddy *buddy = set->by_largest[largest + 1]; buddy != NULL; before = buddy, buddy = buddy->next) {
            check_equal(check, "buddy set", "list of order", (uint64_t)(int64_t)largest, "largest free order", (uint64_t)(int64_t)buddy_largest(buddy));
            check_equal(check, "buddy set", "link back", (uintptr_t)buddy->prev, "buddy before", (uintptr_t)before);
            buddy_consistent(buddy, check);
        }
    }
}
