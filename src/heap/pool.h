/* Pool: objects of one size for the library's own structures. */
#ifndef MIDDEN_HEAP_POOL_H
#define MIDDEN_HEAP_POOL_H

#include "heap/check.h"
#include "heap/watermark.h"

struct pool {
    struct watermark *from;     /* where new objects are cut */
    size_t bytes;               /* of an object */
    size_t align;
    size_t link;                /* offset in a free object of the pointer to the next free one */
    void *free;                 /* the list of free nodes */
    size_t made, used;          /* objects cut so far, objects out now */
};

/* link: where in an object that has been given back the list's pointer may lie. What a reader without a lock still looks at in a
 * given-back object must lie elsewhere. align: as watermark_take. */
void pool_init(struct pool *pool, struct watermark *from, size_t bytes, size_t align, size_t link);

/* An object, zeroed when it is new, as it was given back (but for the link) when not. NULL: no memory. O(1). */
void *pool_take(struct pool *pool);

/* Takes one back. Its memory stays an object of this pool for ever. O(1). */
void pool_give(struct pool *pool, void *object);

void pool_consistent(const struct pool *pool, struct check *check);

#endif
