/* Fixed pool: objects of one size, taken and given back in O(1) through a list of free nodes.
 *
 * 1. Taking unlinks the head of the free list; when that is empty, an object is cut from the watermark.
 * 2. Giving back links the object in front.
 *
 * The list runs through the free objects themselves: they are the library's own memory, never a user's. Objects are type-stable:
 * their memory is never anything but an object of this pool, so a reader that lost a race reads an old object, not a foreign one.
 *
 * Limits: memory never leaves the pool. Not for threads: the caller holds a lock. */
#include "heap/pool.h"

#include "heap/bits.h"

static void **link_of(const struct pool *pool, void *object) { return (void **)((char *)object + pool->link); }

void pool_init(struct pool *pool, struct watermark *from, size_t bytes, size_t align, size_t link)
{
    pool->from = from;
    pool->bytes = bytes < sizeof(void *) ? sizeof(void *) : bytes;
    pool->align = align < sizeof(void *) ? sizeof(void *) : align;
    pool->link = link;
    pool->free = NULL;
    pool->made = pool->used = 0;
}

void *pool_take(struct pool *pool)
{
    void *object = pool->free;
    if (object != NULL) {
        pool->free = *link_of(pool, object);
    } else {
        object = watermark_take(pool->from, pool->bytes, pool->align);
        if (object == NULL)
            return NULL;
        pool->made++;
    }
    pool->used++;
    return object;
}

void pool_give(struct pool *pool, void *object)
{
    *link_of(pool, object) = pool->free;
    pool->free = object;
    pool->used--;
}

void pool_consistent(const struct pool *pool, struct check *check)
{
    size_t free = 0;
    for (void *object = pool->free; object != NULL && free <= pool->made; object = *link_of(pool, object))
        free++;
    check_equal(check, "pool", "free and used objects", free + pool->used, "objects made", pool->made);
}
