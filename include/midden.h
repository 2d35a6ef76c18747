/* What a program may ask of midden, and tell it.
 *
 * Every function does nothing (and answers as its comment says) when libmidden.so is not preloaded. Nothing is linked: the header finds
 * the library's table of functions through one weak symbol, in C and C++, static, dynamic and position-independent programs.
 * The functions may be called at any time, by any thread; errno is left as it was.
 *
 * Programs that cannot include this header: the library exports functions of the same names (dlsym, `call` in a debugger), and
 * LeakSanitizer's interface (sanitizer/lsan_interface.h). */
#ifndef MIDDEN_H
#define MIDDEN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Figures of a leak check, as memcheck means them. */
struct midden_leaks {
    unsigned long long definite_bytes, definite_blocks;
    unsigned long long indirect_bytes, indirect_blocks;
    unsigned long long possible_bytes, possible_blocks;
    unsigned long long reachable_bytes, reachable_blocks;
    unsigned long long suppressed_bytes, suppressed_blocks;     /* by suppressions and by midden_intended() */
};

/* What a leak check shows. */
enum midden_leaks_shown {
    MIDDEN_LEAKS_FULL,      /* every record, as at the end of the program */
    MIDDEN_LEAKS_SUMMARY,   /* the figures alone */
    MIDDEN_LEAKS_ADDED,     /* records that have grown since the last check */
    MIDDEN_LEAKS_CHANGED,   /* records that have grown or shrunk */
    MIDDEN_LEAKS_NEW,       /* records that were not there */
    MIDDEN_LEAKS_COUNT      /* nothing: only the figures are wanted */
};

/* Flags of midden_pool_create. */
enum midden_pool_flags {
    MIDDEN_POOL_META = 1,       /* its objects are the memory of another allocator, whose blocks (midden_block_alloc) lie in them: they
                                   are no blocks themselves to a leak check */
    MIDDEN_POOL_AUTO_FREE = 2,  /* with META: freeing an object frees the blocks in it */
    MIDDEN_POOL_ZEROED = 4      /* objects are handed out as zeros */
};

/* The library's table. Members are only ever added at the end; size says how many there are. */
struct midden_api {
    size_t size;
    int (*check_leaks)(unsigned shown, struct midden_leaks *figures);
    int (*dump)(const char *path);
    int (*describe)(const void *address);
    int (*intended)(const void *address);
    int (*name)(const void *address, const char *name);
    void (*leaks_disable)(void);
    void (*leaks_enable)(void);
    int (*root_register)(const void *start, size_t bytes);
    int (*root_unregister)(const void *start, size_t bytes);
    int (*pool_create)(const void *anchor, size_t redzone, unsigned flags);
    int (*pool_destroy)(const void *anchor);
    int (*pool_alloc)(const void *anchor, const void *object, size_t bytes);
    int (*pool_free)(const void *anchor, const void *object);
    int (*pool_trim)(const void *anchor, const void *start, size_t bytes);
    int (*pool_move)(const void *anchor, const void *to);
    int (*pool_change)(const void *anchor, const void *object, const void *to, size_t bytes);
    int (*pool_exists)(const void *anchor);
    int (*block_alloc)(const void *block, size_t bytes);
    int (*block_resize)(const void *block, size_t bytes);
    int (*block_free)(const void *block);
};

#ifndef MIDDEN_TABLE_ONLY

/* The functions look at addresses, not at what lies there. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#define MIDDEN_ADDRESS_(n) __attribute__((__access__(__none__, n)))
#define MIDDEN_ADDRESSES_(a, b) __attribute__((__access__(__none__, a), __access__(__none__, b)))
#else
#define MIDDEN_ADDRESS_(n)
#define MIDDEN_ADDRESSES_(a, b)
#endif

/* The table, NULL: midden is not here. The symbol is taken from the global offset table, whose entry the loader fills: a plain reference to
 * a weak symbol would be settled as absent when a program that is not position-independent is linked. */
static __inline__ const struct midden_api *midden_api_(void)
{
    const struct midden_api *api;
#if defined(__x86_64__) && defined(__LP64__)
    __asm__(".weak midden_api\n\tmovq midden_api@GOTPCREL(%%rip), %0" : "=r"(api));
#elif defined(__aarch64__)
    __asm__(".weak midden_api\n\tadrp %0, :got:midden_api\n\tldr %0, [%0, :got_lo12:midden_api]" : "=r"(api));
#else
    extern const struct midden_api midden_api __attribute__((__weak__));
    api = &midden_api;
#endif
    return api;
}

/* In a function that returns what the library's member does, or `otherwise`. */
#define MIDDEN_CALL_(member, arguments, otherwise)                                                                   \
    const struct midden_api *api = midden_api_();                                                                    \
    return api && api->size >= offsetof(struct midden_api, member) + sizeof api->member ? api->member arguments : (otherwise)
#define MIDDEN_DO_(member)                                                                                           \
    const struct midden_api *api = midden_api_();                                                                    \
    if (api && api->size >= offsetof(struct midden_api, member) + sizeof api->member)                                \
        api->member()

/* 1: the program runs on midden's heap. */
static __inline__ int midden_present(void) { return midden_api_() != NULL; }

/* ---- reports ---------------------------------------------------------------------------------------------------------------- */

/* Looks for leaks now and shows them. figures may be NULL. Returns the number of leak records that would make the program fail (--fail-on),
 * of those that were to be shown; 0 without midden; -1: no check could be made. */
static __inline__ int midden_check_leaks(enum midden_leaks_shown shown, struct midden_leaks *figures)
{
    static const struct midden_leaks none = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (figures)
        *figures = none;
    {
        MIDDEN_CALL_(check_leaks, (shown, figures), 0);
    }
}

/* The same, in full. */
static __inline__ int midden_leak_check(void) { return midden_check_leaks(MIDDEN_LEAKS_FULL, NULL); }
#define MIDDEN_LEAK_CHECK() midden_leak_check()

/* Writes a dump, an ELF core file that gdb and midden's commands read. 1: done; 0: without midden, or it failed (said). */
static __inline__ int midden_dump(const char *path) { MIDDEN_CALL_(dump, (path), 0); }

/* Shows what is known about an address: the block, its size, state, name, and where it was allocated and freed. 1: done. */
MIDDEN_ADDRESS_(1) static __inline__ int midden_describe(const void *address) { MIDDEN_CALL_(describe, (address), 0); }

/* ---- leaks that are meant ------------------------------------------------------------------------------------------------------ */

/* The block around address stays on purpose: it is no leak, and neither is what it leads to. 1: done; 0: there is no living block. */
MIDDEN_ADDRESS_(1) static __inline__ int midden_intended(const void *address) { MIDDEN_CALL_(intended, (address), 0); }

/* What this thread allocates between these two stays on purpose. They nest. */
static __inline__ void midden_leaks_disable(void) { MIDDEN_DO_(leaks_disable); }
static __inline__ void midden_leaks_enable(void) { MIDDEN_DO_(leaks_enable); }

/* Memory to be searched for pointers like a global variable (shared with a device, taken from the kernel by other ways). A region is
 * withdrawn with the start and size it was registered with. 1: done. */
MIDDEN_ADDRESS_(1) static __inline__ int midden_root_register(const void *start, size_t bytes) { MIDDEN_CALL_(root_register, (start, bytes), 0); }
MIDDEN_ADDRESS_(1) static __inline__ int midden_root_unregister(const void *start, size_t bytes) { MIDDEN_CALL_(root_unregister, (start, bytes), 0); }

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

/* Reports show the name (at most 200 bytes) with the living block around address, or with the pool of this anchor. It ends with the
 * block. 1: done. */
MIDDEN_ADDRESS_(1) static __inline__ int midden_name(const void *address, const char *name) { MIDDEN_CALL_(name, (address, name), 0); }

/* ---- allocators of the program's own -----------------------------------------------------------------------------------------------
 *
 * A pool is known by an address, its anchor; any will do. Its objects may lie in memory from malloc, mmap or in static memory. To a leak
 * check living objects are blocks, and a block of the heap that objects lie in is none. As Valgrind's VALGRIND_CREATE_MEMPOOL and
 * its relatives, and VALGRIND_MALLOCLIKE_BLOCK. All return 1 when done; 0 without midden, or where there is no such pool or object (which
 * is a finding when it was to be freed). */

/* redzone: bytes that the pool leaves between objects; told, not used. flags: enum midden_pool_flags. */
MIDDEN_ADDRESS_(1) static __inline__ int midden_pool_create(const void *anchor, size_t redzone, unsigned flags) { MIDDEN_CALL_(pool_create, (anchor, redzone, flags), 0); }
MIDDEN_ADDRESS_(1) static __inline__ int midden_pool_destroy(const void *anchor) { MIDDEN_CALL_(pool_destroy, (anchor), 0); }     /* frees its objects */
MIDDEN_ADDRESSES_(1, 2) static __inline__ int midden_pool_alloc(const void *anchor, const void *object, size_t bytes) { MIDDEN_CALL_(pool_alloc, (anchor, object, bytes), 0); }
MIDDEN_ADDRESSES_(1, 2) static __inline__ int midden_pool_free(const void *anchor, const void *object) { MIDDEN_CALL_(pool_free, (anchor, object), 0); }
/* Only what lies in [start, start + bytes) stays. */
MIDDEN_ADDRESSES_(1, 2) static __inline__ int midden_pool_trim(const void *anchor, const void *start, size_t bytes) { MIDDEN_CALL_(pool_trim, (anchor, start, bytes), 0); }
/* The pool has another anchor from now on. */
MIDDEN_ADDRESSES_(1, 2) static __inline__ int midden_pool_move(const void *anchor, const void *to) { MIDDEN_CALL_(pool_move, (anchor, to), 0); }
/* The object lies elsewhere, or has another size. */
MIDDEN_ADDRESSES_(2, 3) static __inline__ int midden_pool_change(const void *anchor, const void *object, const void *to, size_t bytes) { MIDDEN_CALL_(pool_change, (anchor, object, to, bytes), 0); }
MIDDEN_ADDRESS_(1) static __inline__ int midden_pool_exists(const void *anchor) { MIDDEN_CALL_(pool_exists, (anchor), 0); }

/* Blocks in no pool. */
MIDDEN_ADDRESS_(1) static __inline__ int midden_block_alloc(const void *block, size_t bytes) { MIDDEN_CALL_(block_alloc, (block, bytes), 0); }
MIDDEN_ADDRESS_(1) static __inline__ int midden_block_resize(const void *block, size_t bytes) { MIDDEN_CALL_(block_resize, (block, bytes), 0); }
MIDDEN_ADDRESS_(1) static __inline__ int midden_block_free(const void *block) { MIDDEN_CALL_(block_free, (block), 0); }

#undef MIDDEN_CALL_
#undef MIDDEN_DO_
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#pragma GCC diagnostic pop
#endif
#undef MIDDEN_ADDRESS_
#undef MIDDEN_ADDRESSES_

#endif

#ifdef __cplusplus
}
#endif

#endif
