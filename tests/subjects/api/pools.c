/* An allocator of the program's own, told about in midden's words and in Valgrind's, with objects of every leak class in it.
 *
 * argv: where its memory comes from: malloc, mmap, static; what it is: pool (a memory pool), block (blocks in no pool), meta (a pool whose
 * objects hold blocks); and who is asked whether the calls did what they say: check, or nothing. */
#include <assert.h>
#include <sys/mman.h>
#include <valgrind/memcheck.h>
#include "midden.h"
#include "subject.h"

#define ROOM 65536
#define HEADER 256

static char fixed[ROOM] __attribute__((aligned(4096)));
static char *super, *next;
static int pooled, meta;

/* Roots. */
static void *first, *inside;

static void open_super(const char *where)
{
    super = strcmp(where, "malloc") == 0 ? malloc(ROOM)
          : strcmp(where, "mmap") == 0 ? mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : fixed;
    next = super + HEADER;
    VALGRIND_MAKE_MEM_NOACCESS(super, ROOM);
    if (pooled) {
        midden_pool_create(&super, 16, meta ? MIDDEN_POOL_META | MIDDEN_POOL_AUTO_FREE : 0);
        VALGRIND_CREATE_MEMPOOL_EXT(&super, 16, 0, meta ? VALGRIND_MEMPOOL_METAPOOL | VALGRIND_MEMPOOL_AUTO_FREE : 0);
    }
}

static NOINLINE void *take(size_t n)
{
    char *at = next;
    next += (n + 31) / 16 * 16;
    if (pooled && !meta) {
        midden_pool_alloc(&super, at, n);
        VALGRIND_MEMPOOL_ALLOC(&super, at, n);
    } else {
        midden_block_alloc(at, n);
        VALGRIND_MALLOCLIKE_BLOCK(at, n, 0, 0);
    }
    memset(at, 0, n);
    return at;
}

static NOINLINE void give_back(void *object)
{
    if (pooled && !meta) {
        midden_pool_free(&super, object);
        VALGRIND_MEMPOOL_FREE(&super, object);
    } else {
        midden_block_free(object);
        VALGRIND_FREELIKE_BLOCK(object, 0);
    }
}

static NOINLINE void fill(void)
{
    void **a = take(40), **b, **c;
    first = a;                          /* reachable */
    a[0] = b = take(64);                /* reachable through an object */
    b[3] = malloc(33);                  /* a block of the heap, reachable through objects */
    b[4] = take(1);

    a = take(72);                       /* lost */
    a[2] = b = take(80);                /* and with it */
    b[1] = malloc(91);
    b[2] = c = take(96);
    c[0] = b;                           /* a cycle */

    a = take(104);                 /* lost alone, over and over */
    a = take(104);

    a = take(112);
    inside = a + 4;                     /* possibly lost */
    a[9] = malloc(120);

    a = take(128);                      /* freed: what it held is lost */
    a[1] = malloc(137);
    give_back(a);

    a = malloc(144);                    /* lost, and an object with it */
    a[0] = take(152);
    a = malloc(160);                    /* reachable only by an object that is */
    ((void **)first)[2] = a;
    a[0] = take(168);
    KEEP(a);
    KEEP(b);
    KEEP(c);
}

static NOINLINE void wash(void)
{
    char room[4096];
    memset(room, 0, sizeof room);
    KEEP(room[0]);
}

int main(int argc, char **argv)
{
    pooled = strcmp(argv[2], "block") != 0;
    meta = strcmp(argv[2], "meta") == 0;
    open_super(argv[1]);
    if (meta) {
        midden_pool_alloc(&super, super, ROOM);
        VALGRIND_MEMPOOL_ALLOC(&super, super, ROOM);
        VALGRIND_MAKE_MEM_NOACCESS(super, ROOM);
    }
    fill();
    wash();
    if (argc > 3 && midden_present()) {
        struct midden_leaks figures;
        assert(!pooled || midden_pool_exists(&super));
        assert(!midden_pool_exists(&first));
        assert(midden_check_leaks(MIDDEN_LEAKS_COUNT, &figures) > 0);
        printf("%llu %llu\n", figures.definite_bytes, figures.definite_blocks);
        if (pooled && !meta) {
            assert(midden_pool_destroy(&super));
            assert(!midden_pool_exists(&super));
            assert(midden_check_leaks(MIDDEN_LEAKS_COUNT, &figures) >= 0);
            printf("%llu %llu\n", figures.definite_bytes, figures.definite_blocks);
        }
    }
    return 0;
}
