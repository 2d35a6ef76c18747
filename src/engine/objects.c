/* Pools and the objects in them: what an allocator of the program's own tells about its memory.
 *
 * Each object has a record like a block of the heap (struct record_object), found again by its first byte. The leak check takes living
 * objects for blocks, and the heap's block that they lie in for none.
 *
 *   alloc     a record for [address, address + n); a living one there already is taken for freed: the program started anew
 *   free      the record says so and where; it stays as history, so that freeing again, or touching by a checked call, can be told
 *   trim      objects outside a range are freed, those across its borders cut
 *   change    the object has another place or size, its allocation stack stays
 *   destroy   all objects of the pool are freed
 *
 * Freed records are used again, the oldest first, once there are more than HISTORY.
 *
 * What checked calls do to freed objects, or beyond the end of living ones, makes warnings: the allocator itself may write there by
 * right (a list of free objects, a fill), and it may have given the memory to somebody else without telling.
 *
 * Limits: an object is looked up by its first byte, so that a checked call through a pointer into it, or a plain access, is not seen.
 * The leak check looks at all. trim, destroy and a RECORD_POOL_AUTO_FREE free go through all objects. */
#include "engine/objects.h"

#include "base/anchor.h"
#include "base/index.h"
#include "base/lock.h"
#include "base/table.h"
#include "check/fault.h"
#include "check/range.h"
#include "engine/state.h"

#define HISTORY 65536u
#define MOST_OBJECTS ((uint64_t)1 << 30)
#define MOST_POOLS ((uint64_t)1 << 24)

static struct lock mutex = LOCK_INIT(LOCK_RANK_OBJECTS);
static struct index by_address, by_anchor;
static uint32_t oldest, newest;         /* freed records, linked by next_free */
static uint64_t n_freed;

bool objects_init(void)
{
    return table_init(anchor_table(RECORD_TABLE_OBJECTS), sizeof(struct record_object), 12, MOST_OBJECTS)
        && table_init(anchor_table(RECORD_TABLE_POOLS), sizeof(struct record_pool), 8, MOST_POOLS);
}

void objects_lock(void) { lock_take(&mutex); }
void objects_unlock(void) { lock_drop(&mutex); }

static struct record_object *object_at(uint32_t index)
{
    return index ? table_known(anchor_table(RECORD_TABLE_OBJECTS), index) : NULL;
}

static struct record_pool *pool_at(uint32_t index)
{
    return index ? table_known(anchor_table(RECORD_TABLE_POOLS), index) : NULL;
}

static bool lives(const struct record_object *object)
{
    return object && record_head_state(object->block.head) == RECORD_BLOCK_LIVE;
}

/* ---- records (the lock is held) ---- */

static void set_state(struct record_object *object, uint64_t size, unsigned state)
{
    uint64_t head = object->block.head;
    __atomic_store_n(&object->block.head, record_head(size, record_head_allocator(head), record_head_flags(head), state), __ATOMIC_RELEASE);
}

/* A record for a new object: a fresh one, or the one that was freed longest ago. 0: no memory. */
static uint32_t take_record(void)
{
    struct record_table *table = anchor_table(RECORD_TABLE_OBJECTS);
    uint32_t index = oldest;
    uint64_t fresh;
    if (n_freed <= HISTORY && (fresh = table_reserve(table, 1))) {
        table_publish(table, fresh, 1);     /* empty: a reader passes over it */
        return (uint32_t)fresh;
    }
    if (!index)
        return 0;
    struct record_object *object = object_at(index);
    oldest = object->next_free;
    newest = oldest ? newest : 0;
    n_freed--;
    if (index_get(&by_address, object->address) == index)
        index_drop(&by_address, object->address);
    return index;
}

static void note_freed(struct record_object *object, uint32_t index, uint32_t stack, uint32_t thread)
{
    object->block.free_stack = stack;
    object->block.free_thread = (uint16_t)thread;
    set_state(object, record_head_size(object->block.head), RECORD_BLOCK_FREE);
    struct record_pool *pool = pool_at(object->pool);
    if (pool)
        pool->objects--;
    object->next_free = 0;
    if (newest)
        object_at(newest)->next_free = index;
    else
        oldest = index;
    newest = index;
    n_freed++;
}

/* false: no memory for the record. */
static bool enter_object(const struct record_object *from)
{
    uint32_t before = index_get(&by_address, from->address);
    if (lives(object_at(before)))
        note_freed(object_at(before), before, 0, from->block.alloc_thread);
    uint32_t index = take_record();
    struct record_object *object = object_at(index);
    if (!object)
        return false;
    /* As of a block: BUSY first, LIVE last. */
    __atomic_store_n(&object->block.head, record_head(0, 0, 0, RECORD_BLOCK_BUSY), __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    uint64_t head = from->block.head;
    object->address = from->address;
    object->block.alloc_stack = from->block.alloc_stack;
    object->block.free_stack = 0;
    object->block.sequence = from->block.sequence;
    object->block.alloc_thread = from->block.alloc_thread;
    object->block.free_thread = 0;
    object->pool = from->pool;
    object->superblock = from->superblock;
    __atomic_store_n(&object->block.head, head, __ATOMIC_RELEASE);
    if (pool_at(object->pool))
        pool_at(object->pool)->objects++;
    __atomic_store_n(&engine_bounds.objects, 1, __ATOMIC_RELAXED);
    blocks_extend_bounds((uintptr_t)from->address, (uintptr_t)from->address + record_head_size(head));
    return index_put(&by_address, from->address, index);
}

/* Calls `visit` for every living object. */
static void each_object(bool (*wanted)(const struct record_object *object, uint64_t low, uint64_t high), uint64_t low, uint64_t high,
                        uint32_t stack, uint32_t thread)
{
    const struct record_table *table = anchor_table(RECORD_TABLE_OBJECTS);
    for (uint64_t i = 1; i < table->count; i++) {
        struct record_object *object = table_known(table, i);
        if (lives(object) && wanted(object, low, high))
            note_freed(object, (uint32_t)i, stack, thread);
    }
}

static bool in_no_pool_within(const struct record_object *object, uint64_t low, uint64_t high)
{
    return !object->pool && object->address >= low && object->address < high;
}

static bool of_pool(const struct record_object *object, uint64_t pool, uint64_t unused)
{
    (void)unused;
    return object->pool == pool;
}

/* ---- entering and findings ---- */

struct visit {
    struct thread_state *self;
    uint32_t stack;
};

/* false: nothing is to be done (the caller leaves all the same). The stack is captured before the lock is taken. */
static bool begin(struct visit *visit, const struct capture_start *from)
{
    visit->self = threads_self();
    visit->stack = 0;
    if (!engine_enter(visit->self) || !engine_started())
        return false;
    if (from && engine.stacks && !visit->self->internal)
        visit->stack = capture(from);
    objects_lock();
    return true;
}

static void end(const struct visit *visit)
{
    engine_leave(visit->self);
}

/* Of what the program told that cannot be: the address is no living object, or no pool. Called without the lock. */
static void tell_bad(const struct visit *visit, const void *address, enum record_allocator call, const struct record_object *object,
                     const struct capture_start *from)
{
    struct record_finding finding;
    fault_of_free(address, call, object ? &object->block : NULL, object ? (const char *)(uintptr_t)object->address : NULL,
                  from ? from->sp : 0, &finding);
    report_finding(visit->self, &finding, from);
}

/* ---- pools ---- */

bool engine_pool_create(const void *anchor, size_t redzone, unsigned flags, const struct capture_start *from)
{
    struct visit visit;
    bool made = false;
    if (begin(&visit, from)) {
        struct record_table *table = anchor_table(RECORD_TABLE_POOLS);
        uint64_t index = 0;
        if (!index_get(&by_anchor, (uintptr_t)anchor) && (index = table_reserve(table, 1))
            && index_put(&by_anchor, (uintptr_t)anchor, (uint32_t)index)) {
            struct record_pool *pool = table_known(table, index);
            *pool = (struct record_pool){.anchor = (uintptr_t)anchor, .flags = flags, .redzone = (uint32_t)redzone, .stack = visit.stack};
            table_publish(table, index, 1);
            made = true;
        }
        objects_unlock();
    }
    end(&visit);
    return made;
}

bool engine_pool_destroy(const void *anchor, const struct capture_start *from)
{
    struct visit visit;
    uint32_t index = 0;
    if (begin(&visit, from)) {
        index = index_get(&by_anchor, (uintptr_t)anchor);
        if (index) {
            each_object(of_pool, index, 0, visit.stack, visit.self->index);
            __atomic_store_n(&pool_at(index)->anchor, 0, __ATOMIC_RELEASE);
            index_drop(&by_anchor, (uintptr_t)anchor);
        }
        objects_unlock();
        if (!index)
            tell_bad(&visit, anchor, RECORD_BY_POOL_FREE, NULL, from);
    }
    end(&visit);
    return index != 0;
}

bool engine_pool_exists(const void *anchor)
{
    struct visit visit;
    bool there = false;
    if (begin(&visit, NULL)) {
        there = index_get(&by_anchor, (uintptr_t)anchor) != 0;
        objects_unlock();
    }
    end(&visit);
    return there;
}

bool engine_pool_move(const void *anchor, const void *to, const struct capture_start *from)
{
    struct visit visit;
    uint32_t index = 0;
    if (begin(&visit, from)) {
        index = index_get(&by_anchor, (uintptr_t)anchor);
        if (index && index_put(&by_anchor, (uintptr_t)to, index)) {
            __atomic_store_n(&pool_at(index)->anchor, (uintptr_t)to, __ATOMIC_RELEASE);
            if (to != anchor)
                index_drop(&by_anchor, (uintptr_t)anchor);
        }
        objects_unlock();
        if (!index)
            tell_bad(&visit, anchor, RECORD_BY_POOL_FREE, NULL, from);
    }
    end(&visit);
    return index != 0;
}

/* ---- objects ---- */

/* The sequence number of the heap's living block around an address; 0: none. */
static uint32_t superblock_of(const void *address)
{
    struct place place;
    bool inside = blocks_find(address, &place) && place.record
        && record_head_state(__atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE)) == RECORD_BLOCK_LIVE;
    return inside ? record_sequence(place.record) : 0;
}

/* Memory that there may be: of the user's half, as far as a record can tell the size. */
static bool can_be(const void *address, size_t size)
{
    return address && size < (uint64_t)1 << 47 && size <= UINTPTR_MAX / 2 - (uintptr_t)address && (uintptr_t)address <= UINTPTR_MAX / 2;
}

/* The program told of an object of a size that no memory has. Called without the lock. */
static void tell_size(const struct visit *visit, size_t size, enum record_allocator call, const struct capture_start *from)
{
    struct record_finding finding;
    fault_of_size(size, call, &finding);
    report_finding(visit->self, &finding, from);
}

static bool allocate(const void *anchor, bool in_pool, const void *address, size_t size, const struct capture_start *from)
{
    struct visit visit;
    bool known = false, made = false, possible = can_be(address, size);
    enum record_allocator call = in_pool ? RECORD_BY_POOL_ALLOC : RECORD_BY_BLOCK_ALLOC;
    if (begin(&visit, from)) {
        uint32_t pool = in_pool ? index_get(&by_anchor, (uintptr_t)anchor) : 0;
        known = !in_pool || pool;
        unsigned flags = visit.self->internal ? RECORD_FLAG_OWN : visit.self->ignore_depth ? RECORD_FLAG_IGNORED : 0;
        struct record_object object = {.address = (uintptr_t)address, .pool = pool, .superblock = superblock_of(address)};
        object.block = (struct record_block){.head = record_head(size, call, flags, RECORD_BLOCK_LIVE), .alloc_stack = visit.stack,
            .alloc_thread = (uint16_t)visit.self->index, .sequence = blocks_next_sequence(visit.self)};
        made = known && possible && enter_object(&object);
        objects_unlock();
        if (!known)
            tell_bad(&visit, anchor, call, NULL, from);
        else if (!possible && address)
            tell_size(&visit, size, call, from);
    }
    end(&visit);
    return made;
}

bool engine_pool_alloc(const void *anchor, const void *address, size_t size, const struct capture_start *from)
{
    return allocate(anchor, true, address, size, from);
}

bool engine_block_alloc(const void *address, size_t size, const struct capture_start *from)
{
    return allocate(NULL, false, address, size, from);
}

static bool release(const void *anchor, bool in_pool, const void *address, const struct capture_start *from)
{
    struct visit visit;
    bool freed = false;
    enum record_allocator call = in_pool ? RECORD_BY_POOL_FREE : RECORD_BY_BLOCK_FREE;
    if (begin(&visit, from)) {
        uint32_t pool = in_pool ? index_get(&by_anchor, (uintptr_t)anchor) : 0, index = index_get(&by_address, (uintptr_t)address);
        struct record_object *object = object_at(index), before = {0};
        if (object && object->pool == pool && lives(object) && (pool || !in_pool)) {
            bool takes_along = pool && pool_at(pool)->flags & RECORD_POOL_AUTO_FREE;
            note_freed(object, index, visit.stack, visit.self->index);
            if (takes_along)
                each_object(in_no_pool_within, object->address, object->address + record_head_size(object->block.head), visit.stack,
                            visit.self->index);
            freed = true;
        } else if (object) {
            before = *object;
        }
        bool of_this = object && object->pool == pool;
        objects_unlock();
        if (!freed && in_pool && !pool)
            tell_bad(&visit, anchor, call, NULL, from);
        else if (!freed)
            tell_bad(&visit, address, call, of_this ? &before : NULL, from);
    }
    end(&visit);
    return freed;
}

bool engine_pool_free(const void *anchor, const void *address, const struct capture_start *from)
{
    return release(anchor, true, address, from);
}

bool engine_block_free(const void *address, const struct capture_start *from)
{
    return release(NULL, false, address, from);
}

/* The object has another place or size. Precondition: the lock is held, it lives. false: no memory; then it is gone. */
static bool change(struct record_object *object, uint32_t index, uint64_t address, size_t size)
{
    if (object->address == address) {
        set_state(object, size, RECORD_BLOCK_LIVE);
        return true;
    }
    struct record_object moved = *object;
    moved.address = address;
    uint64_t head = moved.block.head;
    moved.block.head = record_head(size, record_head_allocator(head), record_head_flags(head), RECORD_BLOCK_LIVE);
    index_drop(&by_address, object->address);
    note_freed(object, index, 0, 0);
    object->block.head = 0;     /* it was not freed: no history */
    return enter_object(&moved);
}

bool engine_pool_change(const void *anchor, const void *old, const void *address, size_t size, const struct capture_start *from)
{
    struct visit visit;
    bool known = false, done = false, possible = can_be(address, size);
    if (begin(&visit, from)) {
        uint32_t pool = index_get(&by_anchor, (uintptr_t)anchor), index = index_get(&by_address, (uintptr_t)old);
        struct record_object *object = object_at(index);
        known = pool != 0;
        done = known && object && object->pool == pool && lives(object) && possible && change(object, index, (uintptr_t)address, size);
        objects_unlock();
        if (known && !possible && address)
            tell_size(&visit, size, RECORD_BY_POOL_ALLOC, from);
        else if (!done)
            tell_bad(&visit, known ? old : anchor, RECORD_BY_POOL_FREE, NULL, from);
    }
    end(&visit);
    return done;
}

bool engine_block_resize(const void *address, size_t size, const struct capture_start *from)
{
    struct visit visit;
    bool done = false, possible = can_be(address, size);
    if (begin(&visit, from)) {
        uint32_t index = index_get(&by_address, (uintptr_t)address);
        struct record_object *object = object_at(index);
        done = object && !object->pool && lives(object) && possible && change(object, index, (uintptr_t)address, size);
        objects_unlock();
        if (!possible && address)
            tell_size(&visit, size, RECORD_BY_BLOCK_ALLOC, from);
        else if (!done)
            tell_bad(&visit, address, RECORD_BY_BLOCK_FREE, NULL, from);
    }
    end(&visit);
    return done;
}

bool engine_pool_trim(const void *anchor, const void *start, size_t bytes, const struct capture_start *from)
{
    struct visit visit;
    uint32_t pool = 0;
    if (begin(&visit, from)) {
        const struct record_table *table = anchor_table(RECORD_TABLE_OBJECTS);
        uint64_t low = (uintptr_t)start, high = low + bytes, count = table->count;
        pool = index_get(&by_anchor, (uintptr_t)anchor);
        for (uint64_t i = 1; pool && i < count; i++) {
            struct record_object *object = table_known(table, i);
            uint64_t first = object->address, last = first + record_head_size(object->block.head);
            if (!lives(object) || object->pool != pool || (first >= low && last <= high))
                continue;
            if (last <= low || first >= high)
                note_freed(object, (uint32_t)i, visit.stack, visit.self->index);
            else
                change(object, (uint32_t)i, first < low ? low : first, (size_t)((last < high ? last : high) - (first < low ? low : first)));
        }
        objects_unlock();
        if (!pool)
            tell_bad(&visit, anchor, RECORD_BY_POOL_FREE, NULL, from);
    }
    end(&visit);
    return pool != 0;
}

/* ---- for the rest of the engine ---- */

struct record_block *objects_living(const void *address)
{
    struct record_object *object = NULL;
    if (!__atomic_load_n(&engine_bounds.objects, __ATOMIC_RELAXED))
        return NULL;
    objects_lock();
    object = object_at(index_get(&by_address, (uintptr_t)address));
    objects_unlock();
    return lives(object) ? &object->block : NULL;
}

bool objects_name_pool(const void *anchor, uint64_t name)
{
    objects_lock();
    struct record_pool *pool = pool_at(index_get(&by_anchor, (uintptr_t)anchor));
    if (pool)
        pool->name = name;
    objects_unlock();
    return pool != NULL;
}

/* Is the object's memory still its pool's, as far as can be told? */
static bool is_in_place(const struct record_object *object, const void *address)
{
    if (object->pool && !__atomic_load_n(&pool_at(object->pool)->anchor, __ATOMIC_RELAXED))
        return false;
    return object->superblock ? superblock_of(address) == object->superblock : object->pool && !superblock_of(address);
}

bool objects_check_known(const void *start, size_t n, enum record_access access, struct record_finding *finding)
{
    objects_lock();
    const struct record_object *object = object_at(index_get(&by_address, (uintptr_t)start));
    struct record_object seen = object ? *object : (struct record_object){0};
    objects_unlock();
    uint64_t size = record_head_size(seen.block.head);
    unsigned state = record_head_state(seen.block.head);
    bool freed = state == RECORD_BLOCK_FREE;
    if (!object || (!freed && (state != RECORD_BLOCK_LIVE || n <= size)) || record_head_flags(seen.block.head) & RECORD_FLAG_DAMAGED)
        return false;
    if (!is_in_place(&seen, start))
        return false;
    struct range_fault fault = {
        .kind = freed ? RECORD_KIND_HEAP_USE_AFTER_FREE : RECORD_KIND_HEAP_BUFFER_OVERFLOW,
        .address = freed ? seen.address : seen.address + size,
        .size = freed ? n : n - size,
    };
    fault_of_range(&fault, access, n, &seen.block, (const char *)(uintptr_t)seen.address, finding);
    finding->severity = RECORD_SEVERITY_WARNING;
    return true;
}
