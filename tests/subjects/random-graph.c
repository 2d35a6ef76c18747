/* A random graph of heap blocks from a seed, to compare what leak checkers say about it. argv: the seed.
 *
 *   1. blocks of random sizes from several allocation functions; some are reallocated, some freed
 *   2. words of the living blocks are filled: pointers to starts, interiors and ends of other blocks (also freed ones),
 *      numbers, the shapes that excuse interior-pointers, some of them spoilt; the shape is a list, a tree, a ring, a star or no shape at all, with cycles or without (which is printed)
 *   3. some blocks are held by roots: globals, thread-local variables, a pthread key, a mapping, the stack of main (which ends
 *      by exit() and so is alive), stack and thread-local variables of a thread that waits
 *   4. everything that might hold an address by accident is wiped
 * Addresses are kept as their complement, so that the table of blocks holds nothing. */
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "subject.h"

enum { MAX_NODES = 500, ROOTS = 12 };

static uint64_t state;
static unsigned nodes;
static int acyclic;        /* blocks point to later ones only */
static uintptr_t hidden[MAX_NODES];
static size_t sizes[MAX_NODES];
static char freed[MAX_NODES];

void *global_roots[ROOTS];
static _Thread_local void *local_roots[ROOTS];
static pthread_key_t key;
static pthread_barrier_t ready;

static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* What the compiler makes of virtual functions: offset, type, functions, in memory of the file. */
static void function_a(void) { state++; }
static void function_b(void) { state--; }
static void (*const tables[2][5])(void) = {{NULL, NULL, function_a, function_b, NULL}, {NULL, NULL, function_b, function_a, function_a}};
static void *const no_table[4] = {NULL, NULL, (void *)1, (void *)&state};

static unsigned below(unsigned n) { return (unsigned)(next() % n); }
static int chance(unsigned percent) { return below(100) < percent; }

static size_t random_size(void)
{
    switch (below(20)) {
    case 0: return 0;
    case 1: return below(8);
    case 2: return 4096 + below(20000);
    case 3: return chance(20) ? 300000 + below(2000000) : 100 + below(900);
    default: return 8 + below(200);
    }
}

static NOINLINE void make(unsigned i)
{
    size_t size = sizes[i] = random_size();
    void *block;
    switch (below(4)) {
    case 0: block = calloc(1, size); break;
    case 1: block = memalign(32u << below(4), size); break;
    case 2: block = realloc(NULL, size ? size : ++sizes[i]); break;
    default: block = malloc(size); break;
    }
    if (!block)
        abort();
    memset(block, 0, sizes[i]);
    hidden[i] = hide(block);
}

static NOINLINE void change(unsigned i)
{
    void *block = unhide(hidden[i]);
    if (chance(50)) {
        size_t size = random_size() + 1;
        block = realloc(block, size);
        memset(block, 0, size);
        sizes[i] = size;
        hidden[i] = hide(block);
    } else {
        free(block);
        freed[i] = 1;
    }
}

/* An address in or around block i. */
static NOINLINE char *somewhere(unsigned i)
{
    char *block = unhide(hidden[i]);
    switch (below(12)) {
    case 0: return sizes[i] > 1 ? block + 1 + below((unsigned)sizes[i] - 1) : block;
    case 1: return sizes[i] > 8 ? block + 8 : block;
    case 2: return block + sizes[i];
    case 3: return sizes[i] > 24 ? block + 8 * (2 + below(2)) : block;  /* where the shapes below have something to tell */
    default: return block;
    }
}

static NOINLINE void store(unsigned i, size_t word, void *value)
{
    if (!freed[i] && sizes[i] >= (word + 1) * sizeof value)
        memcpy((char *)unhide(hidden[i]) + word * sizeof value, &value, sizeof value);
}

static void *block_of(unsigned i) { return unhide(hidden[i]); }

/* The block that block i shall point to. */
static unsigned target(unsigned i) { return acyclic && i + 1 < nodes ? i + 1 + below(nodes - i - 1) : acyclic ? i : below(nodes); }

static NOINLINE void connect(void)
{
    unsigned shape = below(6);
    for (unsigned i = 0; i < nodes; i++) {
        size_t words = sizes[i] / sizeof(void *);
        size_t limit = words < 6 ? words : 6;
        switch (shape) {
        case 0: if (i + 1 < nodes) store(i, 0, block_of(i + 1)); break;
        case 1: if (i + 1 < nodes || !acyclic) store(i, 0, block_of((i + 1) % nodes)); break;
        case 2: if (2 * i + 2 < nodes) { store(i, 0, block_of(2 * i + 1)); store(i, 1, block_of(2 * i + 2)); } break;
        case 3: store(acyclic ? i / 10 * 10 : i, 0, block_of(acyclic ? i : i / 10 * 10)); break;
        default: break;
        }
        for (size_t word = 0; word < limit; word++)
            if (chance(shape < 4 ? 5 : 25))
                store(i, word, somewhere(target(i)));
            else if (chance(5))
                store(i, word, (void *)(uintptr_t)next());
        if (words > 100 && chance(50))
            store(i, words - 1, somewhere(target(i)));
        if (chance(5) && sizes[i] > 16)             /* the shape of length64's blocks */
            store(i, 0, (void *)(sizes[i] - 8));
        if (chance(5) && sizes[i] >= 40)            /* the shape of new[]'s blocks, of 8-byte elements */
            store(i, 0, (void *)((sizes[i] - 8) / 8));
        if (chance(5) && sizes[i] >= 40) {          /* the shape of an old-style string, or nearly */
            store(i, 0, (void *)(sizes[i] - 30));
            store(i, 1, (void *)(sizes[i] - 25 - (unsigned)chance(20)));
        }
        if (chance(8) && sizes[i] >= 40) {          /* two base classes; now and then the same one, or none */
            store(i, 0, (void *)(uintptr_t)&tables[0][2]);
            store(i, 2 + below(2), (void *)(chance(80) ? (uintptr_t)&tables[1][2] : chance(50) ? (uintptr_t)&tables[0][2] : (uintptr_t)&no_table[2]));
        }
    }
}

static NOINLINE void hold(void **roots, unsigned percent)
{
    for (unsigned i = 0; i < ROOTS; i++)
        roots[i] = chance(percent) ? somewhere(below(nodes)) : NULL;
}

static NOINLINE void hold_elsewhere(void)
{
    if (chance(50))
        pthread_setspecific(key, block_of(below(nodes)));
    if (chance(50)) {
        void **mapping = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        hold(mapping + 1000, 40);
    }
}

static void *waiting(void *unused)
{
    void *roots[ROOTS];
    hold(roots, 15);
    hold(local_roots, 15);
    KEEP_OBJECT(roots);
    scrub();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return unused;
}

int main(int argc, char **argv)
{
    void *roots[ROOTS];
    pthread_t other;
    state = strtoul(argv[1], NULL, 10);
    acyclic = chance(60);
    if (write(1, acyclic ? "acyclic\n" : "cyclic\n", acyclic ? 8 : 7) < 0)
        return 1;
    nodes = 20 + below(MAX_NODES - 20);
    for (unsigned i = 0; i < nodes; i++)
        make(i);
    for (unsigned i = 0; i < nodes; i++)
        if (chance(20))
            change(i);
    connect();
    unsigned percent = below(60);
    hold(roots, percent / 2);
    hold(global_roots, percent);
    hold(local_roots, percent / 2);
    pthread_key_create(&key, NULL);
    hold_elsewhere();
    if (chance(50)) {
        pthread_barrier_init(&ready, NULL, 2);
        pthread_create(&other, NULL, waiting, NULL);
        pthread_barrier_wait(&ready);
    }
    KEEP_OBJECT(roots);
    scrub();
    exit(roots[0] == (void *)1);
}
