/* The composed heap, as its own files see it. */
#ifndef MIDDEN_HEAP_INTERNAL_H
#define MIDDEN_HEAP_INTERNAL_H

#include "heap/heap.h"
#include "heap/huge.h"
#include "heap/large.h"
#include "heap/magazine.h"
#include "heap/medium.h"
#include "heap/meta.h"
#include "heap/pages.h"
#include "heap/slab.h"

/* Lock order: a class, then an engine, then the page source, then the bookkeeping's memory. The hooks for pages and regions are
 * called with any of them held, so locks that they take rank above. */
#define CLASS_LOCKS 16u
enum heap_rank { RANK_CLASSES = 16 /* to 31 */, RANK_MEDIUM = 36, RANK_LARGE, RANK_HUGE, RANK_PAGES = 40, RANK_META = 44 };

struct class_lock {
    struct heap_lock lock;
} __attribute__((aligned(64)));

struct heap {
    /* Fixed after heap_create. */
    struct heap_hooks hooks;
    struct heap_hooks meta_hooks;       /* the same, with alloc_meta in the place of alloc_pages */
    struct heap_config config;      /* with the defaults filled in; a largest room of 0: the engine is not used */
    size_t own_bytes;               /* mapped for this struct */
    size_t slab_align_max;          /* no slab serves a larger alignment */
    unsigned classes;                   /* of one set of slabs: depots[0] up to it; */
    unsigned depots_used;               /* and of both: from `classes` on the same again, for heap_alloc_apart */
    uint8_t class_of[SLAB_STRIDE_MAX / GRAIN + 1];      /* by room in grains, rounded up */

    struct magazine_source magazines;
    struct slab_source slabs;
    struct depot depots[MAGAZINE_CLASSES];              /* by set and size class */
    struct class_lock class_locks[CLASS_LOCKS];
    struct medium medium;
    struct large large;
    struct huge huge;
    struct meta meta;
    struct pages pages;
};

#endif
