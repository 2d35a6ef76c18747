/* The heap: blocks of memory, placed by size.
 *
 * A small allocator library that knows nothing of the rest of midden: everything it needs of its surroundings comes through
 * struct heap_hooks, so that it also builds freestanding and can be carried into a kernel. All bookkeeping is out of band:
 * no byte of a block, free or in use, is read or written by the heap.
 *
 * Requests go by size: small → slab, medium → freelist, large → buddy, huge → pages of their own.
 *
 * Each block has a tag: tag_bytes of memory (slab_tag_bytes in a slab), out of band, that the caller may use as it likes and that stays where it is,
 * also while the block is free, until its region is closed. A new region's tags are zero.
 *
 * Functions here are safe for any thread. They return false or NULL when memory runs out and never set errno. */
#ifndef MIDDEN_HEAP_HEAP_H
#define MIDDEN_HEAP_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A lock's memory; what is in it is up to the hooks. Zero is the unlocked state. */
struct heap_lock {
    uint32_t word;
    uint32_t rank;      /* place in the lock order, set by the heap: a thread takes locks in rising rank only */
};

enum heap_engine { HEAP_AUTO, HEAP_SLAB, HEAP_FREELIST, HEAP_BUDDY, HEAP_HUGE, HEAP_ENGINES };
enum heap_fit { HEAP_FIT_TLSF, HEAP_FIT_FIRST, HEAP_FIT_NEXT, HEAP_FIT_BEST, HEAP_FIT_WORST };

/* A stretch of memory with blocks in it: a slab, a freelist arena, a buddy block, a huge block.
 * Descriptors are never unmapped or moved, and are used again only for other regions. */
struct heap_region {
    char *base;             /* start of slot 0 */
    size_t bytes;           /* extent from base */
    void *tags;             /* uniform: tag of slot i at tags + i * slab_tag_bytes.
                               placed: entry i is an address of 8 bytes (the block's start + phase; 0: never used) and its tag:
                               8 + tag_bytes apart */
    uint32_t stride;        /* bytes from slot to slot; 0: placed, blocks have addresses of their own */
    uint32_t slots;         /* entries in tags; of a placed region, entries used so far (only grows; stored with release order) */
    enum heap_engine engine;
    uint32_t version;       /* the heap's own: odd while the region is closed or changing; atomic */
    uint64_t user;          /* the caller's: 0 when the region opens */
};

/* What the port layer gives. The first four are required, the others may be NULL. */
struct heap_hooks {
    void *ctx;                                                          /* handed to every hook */
    void *(*alloc_pages)(void *ctx, size_t bytes, size_t align);        /* zeroed, page-aligned memory or NULL */
    void (*free_pages)(void *ctx, void *pages, size_t bytes);           /* a whole stretch got from alloc_pages, or a page-aligned part of it */
    void (*lock)(void *ctx, struct heap_lock *lock);
    void (*unlock)(void *ctx, struct heap_lock *lock);
    void **(*magazine)(void *ctx);                                      /* where the calling thread keeps its magazines (a word that starts NULL);
                                                                           NULL: this thread goes without */
    void *(*alloc_meta)(void *ctx, size_t bytes, size_t align);         /* as alloc_pages, for bookkeeping and tags; NULL: alloc_pages does both */
    void (*discard)(void *ctx, void *pages, size_t bytes);              /* the contents are not wanted any more, the address space is */
    void (*protect)(void *ctx, void *pages, size_t bytes, bool accessible);   /* for inaccessible pages around bookkeeping */
    void (*region_opened)(void *ctx, struct heap_region *region);       /* before the first block in it is handed out; it may set
                                                                           region->user to HEAP_REFUSED: the region is not used */
    void (*region_closed)(void *ctx, struct heap_region *region);       /* before its memory is given back; no block lives in it */
};

struct heap_config {
    size_t page_size;           /* power of two, at least 4096 */
    size_t tag_bytes;           /* per block, multiple of 8; 0: none */
    size_t slab_tag_bytes;      /* the same of a slab's blocks, at most as many; 0: tag_bytes as well */
    size_t phase;               /* alignment is wanted at this many bytes from a block's start, so that a guard in front of the
                                   caller's part does not disturb it: (start + phase) % align == 0. Multiple of 16. */
    enum heap_engine engine;    /* HEAP_AUTO: by size. Else this engine takes every size it can hold; the rest goes to HEAP_HUGE */
    enum heap_fit fit;          /* policy of the freelist engine */
    bool apart;                 /* there is a second set of slabs, for heap_alloc_apart */
    size_t slab_max;            /* largest room served by slabs; 0: the default (2048) */
    size_t freelist_max;        /* largest room served by the freelist; 0: the default (128 KiB) */
    size_t buddy_max;           /* largest room served by the buddy; 0: the default (1 MiB) */
    size_t arena_bytes;         /* asked from alloc_pages at a time, power of two; 0: the default (32 MiB, less when that is refused) */
};

struct heap_block {
    char *start;                /* first byte of the block's room */
    size_t room;                /* bytes of it, at least what was asked for */
    void *tag;                  /* its tag_bytes, or slab_tag_bytes */
    struct heap_region *region;
    uint32_t slot;
    bool used;                  /* heap_find: allocated at the time of the look-up */
    bool zeroed;                /* heap_alloc: the room is known to be zero */
};

struct heap_engine_stats {      /* bytes unless said otherwise */
    uint64_t mapped;            /* address space held by the engine */
    uint64_t requested;         /* asked for, living blocks */
    uint64_t occupied;          /* handed out for that: internal fragmentation = occupied - requested */
    uint64_t free_bytes;        /* held, not handed out: external fragmentation = 1 - largest_free / free_bytes */
    uint64_t largest_free;      /* the largest single free stretch */
    uint64_t blocks;            /* living blocks */
};

#define HEAP_REFUSED UINT64_MAX

struct heap;

/* Makes a heap in memory got from hooks->alloc_pages. The tables are copied. NULL: no memory, or a config out of range. */
struct heap *heap_create(const struct heap_config *config, const struct heap_hooks *hooks);

/* A block of at least `room` bytes (0 counts as 1) with (start + config.phase) % align == 0; align: a power of two, at
 * least 16 is given whatever is asked. false: no memory; *out is then untouched. */
bool heap_alloc(struct heap *heap, size_t room, size_t align, struct heap_block *out);

/* The same; a block of a slab comes from one of the second set, if there is one. For blocks that will be there much longer than others, or be back
 * much later: among those they would leave holes, and what lives would lie scattered. */
bool heap_alloc_apart(struct heap *heap, size_t room, size_t align, struct heap_block *out);

/* As heap_alloc, from an engine whose blocks have addresses of their own and tags of tag_bytes: from no slab. For few blocks: they take more room. */
bool heap_alloc_placed(struct heap *heap, size_t room, size_t align, struct heap_block *out);

/* true: the block is of a slab of the second set. */
bool heap_is_apart(const struct heap *heap, const struct heap_block *block);

/* Gives a block back. `block` as heap_alloc or heap_find filled it in. The caller has made sure that nobody else frees it. */
void heap_free(struct heap *heap, const struct heap_block *block);

/* Changes a block's room where it is. true: *block holds the new room, and the bytes up to the smaller of both are as they
 * were. Slab blocks change only within their slot. */
bool heap_resize(struct heap *heap, struct heap_block *block, size_t room);

/* The slot around `address`: block->start <= address < block->start + block->room; block->used says whether a block lives in it.
 * false: `address` lies in no slot of this heap. Where blocks have addresses of their own (freelist, buddy), a slot without a
 * block is what is remembered of the block that began there last: start, tag and slot are that block's, the room reaches to the
 * end of what is free; false if nothing is remembered.
 * O(1) for slab, freelist and huge blocks, O(log) for buddy blocks. Reads nothing at `address`, which may be any value. Lock-free,
 * but for what lies in a free stretch of a freelist arena, and for a freelist arena that keeps changing: takes its lock. */
bool heap_find(struct heap *heap, const void *address, struct heap_block *block);

/* A block that is not given back, in one word: nothing to look up later but where that is needed anyway (blocks that are not of a slab). */
typedef uint64_t heap_handle;
heap_handle heap_handle_of(const struct heap_block *block);
/* The block again; false: it is none any more. */
bool heap_from_handle(struct heap *heap, heap_handle handle, struct heap_block *block);
/* What using a slab's block will touch is on its way into the cache: its tag, its state, and the first lines of its room. */
void heap_prefetch(const struct heap *heap, heap_handle handle);
/* What that will read itself. Of another block: its first line. */
static inline void heap_prefetch_early(heap_handle handle)
{
    __builtin_prefetch((const void *)(uintptr_t)((int64_t)handle >> 16));
}

/* true: `address` lies in memory that the heap holds, in a slot or not. O(1), no lock. */
bool heap_owns(const struct heap *heap, const void *address);

/* The calling thread ends: its magazines (the word that the hook gives) go back to the heap and the word becomes NULL. */
void heap_thread_end(struct heap *heap);
/* The same for a thread that is known to be gone; `magazine`: the value of its word. */
void heap_thread_gone(struct heap *heap, void *magazine);

/* Gives empty slabs, empty arenas and unused pages back through the hooks. Returns the bytes given back. */
size_t heap_trim(struct heap *heap);

/* stats[HEAP_ENGINES], indexed by enum heap_engine; entry HEAP_AUTO is the sum, with the free pages that no engine holds. What
 * waits in magazines counts as free. Exact while no other thread allocates; looks at every slot of the slabs. */
void heap_stats(struct heap *heap, struct heap_engine_stats *stats);

/* Bytes mapped for the heap's own bookkeeping, tags included; on top of what heap_stats tells. Not all of them need be touched. */
size_t heap_overhead(struct heap *heap);

/* Around fork: all locks in rank order, so that the child's heap is whole; unlocked by both parent and child. */
void heap_lock_all(struct heap *heap);
void heap_unlock_all(struct heap *heap);

/* Checks every relation between the bookkeeping's parts; each broken one is told to `say` with both sides in a line of text.
 * Returns the number of broken ones. For tests: no other thread may use the heap meanwhile. */
unsigned heap_consistent(struct heap *heap, void (*say)(void *ctx, const char *line), void *ctx);

#endif
