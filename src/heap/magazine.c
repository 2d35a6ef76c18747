/* Magazines, in the manner of Bonwick and Adams.
 *
 *    thread ─▶ loaded ⇄ previous ⇄ spares        rounds are popped from and pushed to `loaded`, without a lock
 *                  │ ▲
 *                  ▼ │                  whole magazines are exchanged, under the class's lock
 *               depot: full, empty
 *                  │ ▲
 *                  ▼ │                  rounds go to and from slabs, a magazine at a time
 *               slab cache
 *
 * 1. Taking from an empty `loaded`: exchange with `previous` if that has rounds; else a full one of the thread's spares, or from the
 *    depot; else fill it from the slabs.
 * 2. Giving to a full `loaded`: exchange with `previous` if that is empty; else `previous` goes full to the spares, or when they are
 *    MAGAZINE_SPARES to the depot, and an empty one takes its place; when the depot has FULL_LIMIT already, the rounds go back to their slabs.
 * 3. So memory that one thread allocates and another frees goes round through the depot, and no more than FULL_LIMIT magazines
 *    of a class wait there.
 *
 * A thread that vanished in a fork leaves its magazines as they were at some instruction; draining looks at each round's state
 * and passes over what is not plainly a free slot. A magazine on its way from one place to another is in both, or, an empty one, in none.
 *
 * Limits: a magazine holds 64 rounds or 16 KiB, whatever is less, at least 4; it does not grow with contention. */
#include "heap/magazine.h"

#include "heap/port.h"

#define FULL_LIMIT 12u
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
        for (unsigned i = 0; i < MAGAZINE_CLASSES; i++) {
            made->pairs[i] = (struct magazine_pair){NULL, NULL};
            made->spares[i] = (struct magazine_spares){NULL, NULL, 0};
        }
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

/* Between two stores that a fork may come between. */
static inline void in_order(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

/* Both of the pair are empty: a full spare is loaded. false: there is none. */
static bool load_spare(struct magazine_spares *spares, struct magazine_pair *pair)
{
    struct magazine *full = spares->full, *emptied = pair->loaded;
    if (full == NULL || emptied == NULL)
        return false;
    STORE(pair->loaded, full);
    in_order();
    STORE(spares->full, full->next);
    in_order();
    spares->fulls--;
    emptied->next = spares->empty;
    in_order();
    STORE(spares->empty, emptied);
    return true;
}

/* Both of the pair are full: `previous` becomes a spare, an empty spare is loaded. false: there is none, or the full ones are many. */
static bool keep_spare(struct magazine_spares *spares, struct magazine_pair *pair)
{
    struct magazine *empty = spares->empty, *full = pair->previous;
    if (empty == NULL || full == NULL || spares->fulls >= MAGAZINE_SPARES)
        return false;
    STORE(spares->empty, empty->next);
    in_order();
    full->next = spares->full;
    in_order();
    STORE(spares->full, full);
    in_order();
    STORE(pair->previous, pair->loaded);
    in_order();
    STORE(pair->loaded, empty);
    spares->fulls++;
    return true;
}

slab_round magazine_reload(struct depot *depot, struct magazine_source *source, struct magazines *own)
{
    struct magazine_pair *pair = own == NULL ? NULL : &own->pairs[depot->cache.number];
    if (pair != NULL && pair->previous != NULL && pair->previous->count != 0) {
        exchange(pair);
        return magazine_pop(pair);
    }
    if (pair != NULL && load_spare(&own->spares[depot->cache.number], pair))
        return magazine_pop(pair);
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

void magazine_unload(struct depot *depot, struct magazine_source *source, struct magazines *own, slab_round round)
{
    struct magazine_pair *pair = own == NULL ? NULL : &own->pairs[depot->cache.number];
    struct magazine_spares *spares = own == NULL ? NULL : &own->spares[depot->cache.number];
    if (pair != NULL && pair->previous != NULL && pair->previous->count == 0) {
        exchange(pair);
        if (magazine_push(pair, round))
            return;
    } else if (pair != NULL && keep_spare(spares, pair) && magazine_push(pair, round)) {
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
        bool keep = spares->fulls < MAGAZINE_SPARES;    /* then it has no empty one */
        struct magazine *empty = keep || depot->fulls < FULL_LIMIT ? empty_magazine(depot, source) : NULL;
        if (empty != NULL && keep) {
            empty->next = NULL;
            spares->empty = empty;
            keep_spare(spares, pair);
        } else if (empty != NULL) {
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

#define MAGAZINES_OF_CLASS (MAGAZINE_SPARES + 2)

/* Adds a magazine to the ones found, unless it is there. */
static void add_once(struct magazine **found, unsigned *n, struct magazine *magazine)
{
    unsigned i = 0;
    while (i < *n && found[i] != magazine)
        i++;
    if (i == *n && magazine != NULL && *n < MAGAZINES_OF_CLASS)
        found[(*n)++] = magazine;
}

/* A thread's magazines of one class, each once; returns how many. */
static unsigned gather(struct magazines *magazines, unsigned class, struct magazine *found[MAGAZINES_OF_CLASS])
{
    unsigned n = 0;
    add_once(found, &n, magazines->pairs[class].loaded);
    add_once(found, &n, magazines->pairs[class].previous);
    for (struct magazine *spare = magazines->spares[class].full; spare != NULL; spare = spare->next)
        add_once(found, &n, spare);
    for (struct magazine *spare = magazines->spares[class].empty; spare != NULL; spare = spare->next)
        add_once(found, &n, spare);
    return n;
}

void magazines_drain(struct magazines *magazines, struct magazine_source *source, struct depot *depots, unsigned classes)
{
    for (unsigned i = 0; i < classes; i++) {
        struct magazine *found[MAGAZINES_OF_CLASS];
        unsigned n = gather(magazines, i, found);
        magazines->pairs[i].loaded = magazines->pairs[i].previous = magazines->spares[i].full = magazines->spares[i].empty = NULL;
        if (n == 0)
            continue;
        port_lock(source->hooks, depots[i].lock);
        for (unsigned k = 0; k < n; k++) {
            flush(&depots[i], found[k]);
            put_empty(&depots[i], source, found[k]);
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
