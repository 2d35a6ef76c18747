/* Magazines, in the manner of Bonwick and Adams.
 *
 *    thread ─▶ loaded ⇄ previous        rounds are popped from and pushed to `loaded`, without a lock
 *                  │ ▲
 *                  ▼ │                  whole magazines are exchanged, under the class's lock
 *               depot: full, empty
 *                  │ ▲
 *                  ▼ │                  rounds go to and from slabs, a magazine at a time
 *               slab cache
 *
 * 1. Taking from an empty `loaded`: exchange with `previous` if that has rounds; else a full one from the depot; else fill it
 *    from the slabs.
 * 2. Giving to a full `loaded`: exchange with `previous` if that is empty; else `previous` goes full to the depot and an empty
 *    one takes its place; when the depot has FULL_LIMIT already, the rounds go back to their slabs.
 * 3. So memory that one thread allocates and another frees goes round through the depot, and no more than FULL_LIMIT magazines
 *    of a class wait there.
 *
 * A thread that vanished in a fork leaves its magazines as they were at some instruction; draining looks at each round's state
 * and passes over what is not plainly a free slot.
 *
 * Limits: a magazine holds 64 rounds or 16 KiB, whatever is less, at least 4; it does not grow with contention. */
#include "heap/magazine.h"

#include "heap/port.h"

#define FULL_LIMIT 16u
#define EMPTY_LIMIT 16u
#define MAGAZINE_BYTES 16384u
#define LEAST_ROUNDS 4u

void magazine_source_init(struct magazine_source *source, const struct heap_hooks *hooks, struct meta *meta)
{
    source->hooks = hooks;
    source->meta = meta;
    /* Lines of their own: a full magazine ends where another thread's would begin, and both are written with every block. */
    pool_init(&source->magazines, &meta->objects, sizeof(struct magazine), 64, offsetof(struct magazine, next));
    pool_init(&source->threads, &meta->objects, sizeof(struct magazines), 64, 0);
}

void magazine_depot_init(struct depot *depot, struct heap_lock *lock)
{
    uint32_t rounds = MAGAZINE_BYTES / depot->cache.stride;
    depot->lock = lock;
    depot->rounds = rounds > MAGAZINE_ROUNDS ? MAGAZINE_ROUNDS : rounds < LEAST_ROUNDS ? LEAST_ROUNDS : rounds;
    depot->full = depot->empty = NULL;
    depot->fulls = depot->empties = 0;
}

struct magazines *magazines_make(struct magazine_source *source, void **word)
{
    struct magazines *made = meta_take(source->meta, &source->threads);
    if (made != NULL) {
        for (unsigned i = 0; i < MAGAZINE_CLASSES; i++)
            made->pairs[i].loaded = made->pairs[i].previous = NULL;
        for (unsigned i = 0; i < MAGAZINE_LEAVES; i++)
            made->leaves[i].chunk = MAGAZINE_NO_CHUNK;
    }
    *word = made;
    return made;
}

/* ---- under the depot's lock ---- */

static struct magazine *empty_magazine(struct depot *depot, struct magazine_source *source)
{
    struct magazine *magazine = depot->empty;
    if (magazine != NULL) {
        depot->empty = magazine->next;
        depot->empties--;
    } else {
        magazine = meta_take(source->meta, &source->magazines);
        if (magazine != NULL) {
            STORE(magazine->count, 0);
            magazine->limit = depot->rounds;
        }
    }
    return magazine;
}

static void put_empty(struct depot *depot, struct magazine_source *source, struct magazine *magazine)
{
    if (depot->empties >= EMPTY_LIMIT) {
        meta_give(source->meta, &source->magazines, magazine);
        return;
    }
    magazine->next = depot->empty;
    depot->empty = magazine;
    depot->empties++;
}

/* Fills an empty magazine from the slabs; the lowest address is popped first. */
static void fill(struct depot *depot, struct magazine *magazine)
{
    uint32_t count = slab_take(&depot->cache, magazine->rounds, depot->rounds);
    for (uint32_t low = 0, high = count; low + 1 < high; low++, high--) {
        slab_round round = magazine->rounds[low];
        magazine->rounds[low] = magazine->rounds[high - 1];
        magazine->rounds[high - 1] = round;
    }
    STORE(magazine->count, count);
}

static void flush(struct depot *depot, struct magazine *magazine)
{
    uint32_t count = magazine->count > MAGAZINE_ROUNDS ? MAGAZINE_ROUNDS : magazine->count;
    STORE(magazine->count, 0);
    slab_give(&depot->cache, magazine->rounds, count);
}

/* ---- the slow paths ---- */

static void exchange(struct magazine_pair *pair)
{
    struct magazine *loaded = pair->loaded;
    pair->loaded = pair->previous;
    pair->previous = loaded;
}

slab_round magazine_reload(struct depot *depot, struct magazine_source *source, struct magazine_pair *pair)
{
    if (pair != NULL && pair->previous != NULL && pair->previous->count != 0) {
        exchange(pair);
        return magazine_pop(pair);
    }
    slab_round round = 0;
    port_lock(source->hooks, depot->lock);
    if (pair != NULL && pair->loaded == NULL)
        pair->loaded = empty_magazine(depot, source);
    if (pair == NULL || pair->loaded == NULL) {
        if (slab_take(&depot->cache, &round, 1) == 0 && depot->full != NULL) {      /* no memory: what the depot has */
            round = depot->full->rounds[depot->full->count - 1];
            STORE(depot->full->count, depot->full->count - 1);
            if (depot->full->count == 0) {
                struct magazine *emptied = depot->full;
                depot->full = emptied->next;
                depot->fulls--;
                put_empty(depot, source, emptied);
            }
        }
    } else if (depot->full != NULL) {
        struct magazine *full = depot->full;
        depot->full = full->next;
        depot->fulls--;
        put_empty(depot, source, pair->loaded);
        pair->loaded = full;
    } else {
        fill(depot, pair->loaded);
    }
    port_unlock(source->hooks, depot->lock);
    return round != 0 ? round : pair != NULL ? magazine_pop(pair) : 0;
}

void magazine_unload(struct depot *depot, struct magazine_source *source, struct magazine_pair *pair, slab_round round)
{
    if (pair != NULL && pair->previous != NULL && pair->previous->count == 0) {
        exchange(pair);
        if (magazine_push(pair, round))
            return;
    }
    port_lock(source->hooks, depot->lock);
    if (pair != NULL && (pair->loaded == NULL || pair->previous == NULL)) {
        struct magazine *empty = empty_magazine(depot, source);
        if (empty != NULL) {
            if (pair->loaded != NULL)
                pair->previous = pair->loaded;
            pair->loaded = empty;
        }
    } else if (pair != NULL) {          /* both are full */
        struct magazine *empty = depot->fulls < FULL_LIMIT ? empty_magazine(depot, source) : NULL;
        if (empty != NULL) {
            struct magazine *full = pair->previous;
            pair->previous = pair->loaded;
            pair->loaded = empty;
            full->next = depot->full;
            depot->full = full;
            depot->fulls++;
        } else {
            flush(depot, pair->previous);
            exchange(pair);
        }
    }
    if (pair == NULL || !magazine_push(pair, round))
        slab_give(&depot->cache, &round, 1);
    port_unlock(source->hooks, depot->lock);
}

void magazines_drain(struct magazines *magazines, struct magazine_source *source, struct depot *depots, unsigned classes)
{
    for (unsigned i = 0; i < classes; i++) {
        struct magazine_pair *pair = &magazines->pairs[i];
        struct magazine *loaded = pair->loaded, *previous = pair->previous == loaded ? NULL : pair->previous;
        pair->loaded = pair->previous = NULL;
        if (loaded == NULL && previous == NULL)
            continue;
        port_lock(source->hooks, depots[i].lock);
        if (loaded != NULL) {
            flush(&depots[i], loaded);
            put_empty(&depots[i], source, loaded);
        }
        if (previous != NULL) {
            flush(&depots[i], previous);
            put_empty(&depots[i], source, previous);
        }
        port_unlock(source->hooks, depots[i].lock);
    }
    meta_give(source->meta, &source->threads, magazines);
}

void magazine_depot_trim(struct depot *depot, struct magazine_source *source, uint32_t keep)
{
    port_lock(source->hooks, depot->lock);
    while (depot->full != NULL) {
        struct magazine *full = depot->full;
        depot->full = full->next;
        depot->fulls--;
        flush(depot, full);
        put_empty(depot, source, full);
    }
    slab_close_empties(&depot->cache, keep);
    port_unlock(source->hooks, depot->lock);
}

void magazine_depot_consistent(const struct depot *depot, struct check *check)
{
    uint32_t fulls = 0, empties = 0;
    for (const struct magazine *magazine = depot->full; magazine != NULL; magazine = magazine->next, fulls++) {
        check_that(check, magazine->count != 0 && magazine->count <= depot->rounds, "depot: rounds of a magazine among the full ones", magazine->count);
        for (uint32_t i = 0; i < magazine->count && i < MAGAZINE_ROUNDS; i++) {
            const struct slab *slab = round_slab(magazine->rounds[i]);
            check_equal(check, "depot", "cache of a round", (uintptr_t)slab->cache, "cache of the depot", (uintptr_t)&depot->cache);
            check_that(check, bit_get(slab->taken, round_slot(magazine->rounds[i])), "depot: round is not taken, slot", round_slot(magazine->rounds[i]));
            check_equal(check, "depot", "state of a round", slab_state(slab, round_slot(magazine->rounds[i])), "free", 0);
        }
    }
    for (const struct magazine *magazine = depot->empty; magazine != NULL; magazine = magazine->next, empties++)
        check_equal(check, "depot", "rounds of a magazine among the empty ones", magazine->count, "expected", 0);
    check_equal(check, "depot", "full magazines", depot->fulls, "counted", fulls);
    check_equal(check, "depot", "empty magazines", depot->empties, "counted", empties);
    slab_consistent(&depot->cache, check);
}
