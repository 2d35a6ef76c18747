/* The heap of an image by engine: how full it is, and how its free memory lies. Made from the block records alone, so that it is the
 * same for a living process and for a core that was written with no warning. Bytes unless said otherwise. */
#ifndef MIDDEN_REPORT_HEAP_MAP_H
#define MIDDEN_REPORT_HEAP_MAP_H

#include "block_walk.h"

enum { MAP_ORDERS = 48, MAP_QUARTERS = 5 };

/* Slots of one size; a slab is one region of them. */
struct map_class {
    uint32_t stride;            /* bytes from slot to slot */
    uint64_t slabs, slots, live, quarantined, own;  /* counts; own: midden's */
    uint64_t live_bytes;        /* asked for */
    uint64_t by_fill[MAP_QUARTERS]; /* slabs: empty, to a quarter, to a half, to three quarters, above */
};

/* A placed region of the freelist or the buddy, as a strip of cells. */
struct map_arena {
    uint64_t base, bytes;
    uint64_t live_bytes, quarantined_bytes; /* asked for, of blocks in it */
    uint64_t occupied;          /* by both, guards and rounding included */
    uint64_t free_segments, largest_free;
    uint64_t *live, *quarantined;   /* [cells]: occupied bytes of each */
};

struct map_engine {
    uint64_t regions, mapped;
    uint64_t live, live_bytes, quarantined, quarantined_bytes;  /* blocks, and bytes asked for */
    uint64_t live_occupied, quarantined_occupied;   /* with guards and rounding */
    uint64_t own, own_occupied; /* blocks that libc or the loader keeps for midden: neither listed nor free */
    uint64_t free_bytes, free_segments, largest_free;
    struct map_arena *arenas;   /* freelist, buddy: in address order */
    size_t n_arenas;
    uint64_t segments[MAP_ORDERS], segment_bytes[MAP_ORDERS];   /* freelist: free segments of 2^i to 2^(i+1) - 1 bytes */
    uint64_t chunks_live[MAP_ORDERS], chunks_quarantined[MAP_ORDERS], chunks_free[MAP_ORDERS];  /* buddy: of 2^i bytes */
    uint64_t slots;             /* guarded: places */
};

struct heap_map {
    size_t cells;               /* of a strip */
    struct map_engine engines[RECORD_ENGINES];
    struct map_class *classes;  /* by stride */
    size_t n_classes;
    struct arena arena;
};

/* cells: how many a strip has. */
void heap_map_make(struct heap_map *map, struct records *records, size_t cells);
void heap_map_free(struct heap_map *map);

/* All engines together; segments, chunks and arenas are left out. */
struct map_engine heap_map_total(const struct heap_map *map);

/* Puts right the statistics of the engines where the image's own are out of date: the library writes them before a report or a snapshot,
 * and a core that the kernel wrote has those of then, or none. */
void heap_map_refresh(struct records *records);

extern const char *const map_engine_names[RECORD_ENGINES];

#endif
