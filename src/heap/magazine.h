/* Magazines: per-thread stacks of free slots in front of the slab caches, and the depot behind them. */
#ifndef MIDDEN_HEAP_MAGAZINE_H
#define MIDDEN_HEAP_MAGAZINE_H

#include "heap/bits.h"
#include "heap/check.h"
#include "heap/heap.h"
#include "heap/pool.h"
#include "heap/slab.h"

#define MAGAZINE_ROUNDS 64u         /* room of a magazine; larger objects use less of it */
#define MAGAZINE_CLASSES 160u       /* size classes at most, of both sets (internal.h) */

struct magazine {
    struct magazine *next;          /* in the depot */
    uint32_t count;                 /* rounds in it; only its thread writes */
    uint32_t limit;                 /* it is full at so many: the depot's `rounds`. Here, because the depot's line is written by other threads */
    slab_round rounds[MAGAZINE_ROUNDS];
};

/* A thread's two magazines of one class: between them, a thread that takes and gives in turn never needs the depot. */
struct magazine_pair {
    struct magazine *loaded, *previous;     /* NULL: not there yet */
};

/* More of them, for a thread that takes many blocks and then gives many back: from the depot it would get slots that another thread
 * used last, whose lines are in that one's cache, and each time the lock. */
struct magazine_spares {
    struct magazine *full, *empty;          /* together MAGAZINE_SPARES at most */
    uint32_t fulls;
};
#define MAGAZINE_SPARES 6u

#define MAGAZINE_NO_CHUNK UINTPTR_MAX     /* an empty entry: 0 is a chunk, that of wild pointers */

/* The page map's leaves that a thread met last, so that most look-ups of the thread begin there. A leaf is one for ever. */
#define MAGAZINE_LEAVES 128u

/* All of a thread's; the word of the `magazine` hook points to it. */
struct magazines {
    struct magazine_pair pairs[MAGAZINE_CLASSES];
    struct {
        uintptr_t chunk;            /* address >> PAGEMAP_CHUNK_SHIFT, all of it, or MAGAZINE_NO_CHUNK */
        const uint64_t *leaf;
    } leaves[MAGAZINE_LEAVES];
    struct magazine_spares spares[MAGAZINE_CLASSES];
};

/* Full and empty magazines of one class, beside its slab cache and under the same lock. */
struct depot {
    struct slab_cache cache;
    struct heap_lock *lock;         /* of this class; several classes may share one */
    uint32_t rounds;                /* a magazine of this class is full at so many */
    uint32_t fulls, empties;        /* magazines in the lists */
    struct magazine *full, *empty;
} __attribute__((aligned(64)));

struct magazine_source {
    const struct heap_hooks *hooks;
    struct meta *meta;
    struct pool magazines, threads; /* guarded by the lock of `meta` */
};

void magazine_source_init(struct magazine_source *source, const struct heap_hooks *hooks, struct meta *meta);

/* The depot's cache is initialised already. */
void magazine_depot_init(struct depot *depot, struct heap_lock *lock);

/* A round when the loaded magazine has none. 0: no memory. own: all of the calling thread's; NULL: it goes without magazines. */
slab_round magazine_reload(struct depot *depot, struct magazine_source *source, struct magazines *own);

/* A round back when the loaded magazine is full, not there, or the thread goes without. Its state is 0. */
void magazine_unload(struct depot *depot, struct magazine_source *source, struct magazines *own, slab_round round);

/* The thread's magazines, made on first use. NULL: it goes without. */
struct magazines *magazines_make(struct magazine_source *source, void **word);

/* Gives all rounds of a thread's magazines back to the slabs, and the magazines to the pool. */
void magazines_drain(struct magazines *magazines, struct magazine_source *source, struct depot *depots, unsigned classes);

/* Gives the depot's rounds back to the slabs and closes empty slabs beyond `keep`. */
void magazine_depot_trim(struct depot *depot, struct magazine_source *source, uint32_t keep);

void magazine_depot_consistent(const struct depot *depot, struct check *check);

static inline struct magazines *magazines_of(struct magazine_source *source)
{
    void **word = source->hooks->magazine == NULL ? NULL : source->hooks->magazine(source->hooks->ctx);
    if (UNLIKELY(word == NULL))
        return NULL;
    return LIKELY(*word != NULL) ? *word : magazines_make(source, word);
}

/* The count is written before the round is used, and after a round is put in: a thread that vanishes in between (fork) loses a
 * round but never leaves one twice. */
static inline slab_round magazine_last(struct magazine *magazine)
{
    uint32_t last = magazine->count - 1;
    slab_round round = magazine->rounds[last];
    STORE(magazine->count, last);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return round;
}

static inline slab_round magazine_pop(struct magazine_pair *pair)
{
    struct magazine *loaded = pair->loaded;
    return UNLIKELY(loaded == NULL || loaded->count == 0) ? 0 : magazine_last(loaded);
}

/* count: how many it has, fewer than its limit. */
static inline void magazine_put(struct magazine *magazine, uint32_t count, slab_round round)
{
    magazine->rounds[count] = round;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    STORE(magazine->count, count + 1);
}

static inline bool magazine_push(struct magazine_pair *pair, slab_round round)
{
    struct magazine *loaded = pair->loaded;
    if (UNLIKELY(loaded == NULL || loaded->count >= loaded->limit))
        return false;
    magazine_put(loaded, loaded->count, round);
    return true;
}

#endif
