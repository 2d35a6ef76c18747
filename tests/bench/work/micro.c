/* Small loops around malloc and free, each timed from within. Every mode prints lines `name value`, values in nanoseconds an
 * operation unless the name says otherwise; a loop runs until it has taken MILLISECONDS, so that a slow heap is measured as
 * long as a fast one.
 *
 *   micro pair SIZE DEPTH         malloc and free of one block, DEPTH calls below main; SIZE 0: from 16 to 512 bytes, mixed
 *   micro realloc                 a buffer grown by 64 bytes up to 64 KiB
 *   micro mixed                   10,000 blocks of 16..1024 bytes, one at random replaced by another
 *   micro growth BLOCKS           that many blocks of 48 bytes kept; then what one more costs, and the resident bytes of each
 *   micro torture                 32,768 blocks of 16..512 bytes from eight places, one at random replaced by another: 12.7 million allocations
 *                                 (time it from outside)
 *   micro trees                   binary trees built and torn down, every node at a call stack of its own: as many allocations (likewise)
 *   micro own THREADS             a pair in every thread
 *   micro cross THREADS           every thread frees what its neighbour allocated
 *   micro larson THREADS          blocks replaced at random, by threads that hand their blocks on when they end
 *
 * Built without frame pointers, so that stacks must come from the unwind tables. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

static double seconds_to_run = 0.2;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t step(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    return *state = x;
}

/* ---- pair ------------------------------------------------------------------------------------------------------------- */

static NOINLINE void pairs(size_t size, long n)
{
    for (long i = 0; i < n; i++) {
        char *p = malloc(size);
        *(volatile char *)p = 1;
        KEEP(p);
        free(p);
    }
}

/* Sizes of 16 to 512 bytes, in an order that no predictor learns. */
static NOINLINE void mixed_pairs(long n)
{
    static uint32_t random = 1;
    for (long i = 0; i < n; i++) {
        char *p = malloc(16 + step(&random) % 497);
        *(volatile char *)p = 1;
        KEEP(p);
        free(p);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of stretches of 2,000 pairs. Before them a heap that holds freed blocks back is given time to fill its store, for without that
 * nothing ever leaves it: at most WARM bytes, more than any of the heaps measured holds, and not for ever. */
static double time_pairs(size_t size)
{
    enum { STRETCH = 2000, MOST = 1 << 14 };
    static const size_t WARM = (size_t)320 << 20;
    static double each[MOST];
    size_t passed = 0;
    int n = 0;
    for (double end = now() + 5 * seconds_to_run; passed < WARM && now() < end; passed += STRETCH * ((size ? size : 264) + 16))
        size ? pairs(size, STRETCH) : mixed_pairs(STRETCH);
    double end = now() + seconds_to_run;
    do {
        double begun = now();
        size ? pairs(size, STRETCH) : mixed_pairs(STRETCH);
        each[n++] = (now() - begun) / STRETCH;
    } while (now() < end && n < MOST);
    qsort(each, (size_t)n, sizeof *each, by_value);
    return each[n / 2] * 1e9;
}

static NOINLINE double descend(size_t size, int depth)
{
    double ns = depth > 1 ? descend(size, depth - 1) : time_pairs(size);
    KEEP(&ns);
    return ns;
}

/* ---- realloc, mixed, growth, torture --------------------------------------------------------------------------------------- */

static void grow_buffer(void)
{
    double begun = now();
    long calls = 0;
    do {
        char *p = NULL;
        for (size_t size = 64; size <= 1 << 16; size += 64, calls++) {
            p = realloc(p, size);
            p[size - 1] = 1;
        }
        free(p);
    } while (now() - begun < seconds_to_run);
    printf("realloc %.2f\n", (now() - begun) * 1e9 / (double)calls);
}

static void mixed(void)
{
    enum { SLOTS = 10000 };
    static void *slot[SLOTS];
    uint32_t random = 1;
    for (int i = 0; i < SLOTS; i++)
        slot[i] = malloc(16 + step(&random) % 1009);
    double begun = now();
    long calls = 0;
    do {
        for (int i = 0; i < 10000; i++, calls++) {
            uint32_t at = step(&random) % SLOTS;
            free(slot[at]);
            slot[at] = malloc(16 + step(&random) % 1009);
            *(char *)slot[at] = 1;
        }
    } while (now() - begun < seconds_to_run);
    printf("mixed %.2f\n", (now() - begun) * 1e9 / (double)calls);
    for (int i = 0; i < SLOTS; i++)
        free(slot[i]);
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %zu", &pages) != 1)
        exit(1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void growth(size_t blocks)
{
    void **kept = calloc(blocks, sizeof *kept);
    for (size_t i = 0; i < blocks; i++)
        kept[i] = &kept[i];     /* touch the array before the first figure is taken */
    size_t before = resident();
    double begun = now();
    for (size_t i = 0; i < blocks; i++) {
        kept[i] = malloc(48);
        memset(kept[i], 1, 48);
    }
    printf("growth.alloc %.2f\n", (now() - begun) * 1e9 / (double)blocks);
    printf("growth.overhead_bytes %.2f\n", ((double)resident() - (double)before) / (double)blocks - 48);
    printf("growth.pair %.2f\n", time_pairs(48));
    begun = now();
    for (size_t i = 0; i < blocks; i++)
        free(kept[i]);
    printf("growth.free %.2f\n", (now() - begun) * 1e9 / (double)blocks);
    free(kept);
}

struct tree { struct tree *left, *right; };

static NOINLINE struct tree *plant(int depth)
{
    struct tree *tree = malloc(sizeof *tree);
    tree->left = depth ? plant(depth - 1) : NULL;
    tree->right = depth ? plant(depth - 1) : NULL;
    return tree;
}

static NOINLINE void fell(struct tree *tree)
{
    if (tree->left) {
        fell(tree->left);
        fell(tree->right);
    }
    free(tree);
}

static void trees(void)
{
    for (int i = 0; i < 388; i++)       /* of 32,767 nodes: 12.7 million */
        fell(plant(14));
}

#define PLACE(n) static NOINLINE void *place##n(size_t size) { char *p = malloc(size); *p = n; return p; }
PLACE(0) PLACE(1) PLACE(2) PLACE(3) PLACE(4) PLACE(5) PLACE(6) PLACE(7)

static NOINLINE void torture(int depth)
{
    static void *(*const place[])(size_t) = {place0, place1, place2, place3, place4, place5, place6, place7};
    enum { SLOTS = 32768, ALLOCATIONS = 12700000 };
    static void *slot[SLOTS];
    uint32_t random = 1;
    if (depth > 1) {
        torture(depth - 1);
    } else {
        for (int i = 0; i < ALLOCATIONS; i++) {
            uint32_t word = step(&random), at = word % SLOTS;
            free(slot[at]);
            slot[at] = place[word >> 29](16 + (word >> 16) % 497);
        }
        for (int i = 0; i < SLOTS; i++)
            free(slot[i]);
    }
    KEEP(&depth);
}

/* ---- threads ------------------------------------------------------------------------------------------------------------ */

enum { BATCH = 256, SIZE = 64, MAX_THREADS = 16 };

static atomic_bool stop;
static pthread_barrier_t start;

struct mailbox {                /* a batch of blocks on its way to the thread that frees it */
    _Atomic(void **) batch;
} __attribute__((aligned(64)));
static struct mailbox mailbox[MAX_THREADS];
static _Atomic long operations;

static void *own(void *argument)
{
    long n = 0;
    pthread_barrier_wait(&start);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        void *blocks[BATCH];
        for (int i = 0; i < BATCH; i++)
            *(char *)(blocks[i] = malloc(SIZE)) = 1;
        for (int i = 0; i < BATCH; i++)
            free(blocks[i]);
        n += BATCH;
    }
    operations += n;
    return argument;
}

static int n_threads;

/* A ring: thread i fills a batch, leaves it with i + 1 if that one's mailbox is empty (else frees it itself), and frees what it finds in its
 * own. */
static void *cross(void *argument)
{
    int self = (int)(intptr_t)argument, next = (self + 1) % n_threads;
    long n = 0;
    pthread_barrier_wait(&start);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        void **mine = malloc(BATCH * sizeof *mine), **empty = NULL;
        for (int i = 0; i < BATCH; i++)
            *(char *)(mine[i] = malloc(SIZE)) = 1;
        if (atomic_compare_exchange_strong(&mailbox[next].batch, &empty, mine))
            mine = NULL;
        void **theirs = atomic_exchange(&mailbox[self].batch, NULL);
        for (void **batch = theirs; batch; batch = mine, mine = NULL) {
            for (int i = 0; i < BATCH; i++)
                free(batch[i]);
            free(batch);
        }
        if (mine) {
            for (int i = 0; i < BATCH; i++)
                free(mine[i]);
            free(mine);
        }
        n += BATCH;
    }
    operations += n;
    return argument;
}

enum { LARSON_BLOCKS = 1000, LARSON_ROUNDS = 20000 };

struct larson { void *block[LARSON_BLOCKS]; uint32_t random; pthread_t heir; };

/* Replaces blocks at random; then a new thread goes on with the same blocks, and this one ends. */
static void *larson(void *argument)
{
    struct larson *state = argument;
    for (long i = 0; i < LARSON_ROUNDS; i++) {
        uint32_t at = step(&state->random) % LARSON_BLOCKS;
        free(state->block[at]);
        *(char *)(state->block[at] = malloc(10 + step(&state->random) % 491)) = 1;
    }
    operations += LARSON_ROUNDS;
    if (!atomic_load(&stop)) {
        pthread_attr_t detached;
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&state->heir, &detached, larson, state))
            abort();
        pthread_attr_destroy(&detached);
    } else {
        for (int i = 0; i < LARSON_BLOCKS; i++)
            free(state->block[i]);
        free(state);
        pthread_barrier_wait(&start);
    }
    return NULL;
}

static void threads(const char *mode, int n)
{
    pthread_t thread[MAX_THREADS];
    n_threads = n = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
    pthread_barrier_init(&start, NULL, (unsigned)n + 1);
    int is_larson = mode[0] == 'l';
    for (int i = 0; i < n; i++) {
        struct larson *state = is_larson ? calloc(1, sizeof *state) : NULL;
        if (state)
            state->random = (uint32_t)i + 1;
        void *argument = is_larson ? (void *)state : (void *)(intptr_t)i;
        if (pthread_create(&thread[i], NULL, is_larson ? larson : mode[0] == 'o' ? own : cross, argument))
            abort();
        if (is_larson)
            pthread_detach(thread[i]);
    }
    if (!is_larson)
        pthread_barrier_wait(&start);
    double begun = now();
    usleep((useconds_t)(seconds_to_run * 1e6));
    atomic_store(&stop, 1);
    if (is_larson)
        pthread_barrier_wait(&start);
    else
        for (int i = 0; i < n; i++)
            pthread_join(thread[i], NULL);
    double taken = now() - begun;
    for (int i = 0; i < n; i++) {
        void **batch = mailbox[i].batch;
        for (int k = 0; batch && k < BATCH; k++)
            free(batch[k]);
        free(batch);
    }
    printf("%s.per_second %.0f\n", mode, (double)operations / taken);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    long a = argc > 2 ? atol(argv[2]) : 0, b = argc > 3 ? atol(argv[3]) : 0;
    if (getenv("MILLISECONDS"))
        seconds_to_run = atof(getenv("MILLISECONDS")) / 1000;
    if (!strcmp(mode, "pair"))
        printf("pair %.2f\n", descend((size_t)a, (int)b));
    else if (!strcmp(mode, "count"))            /* exactly B pairs of A bytes: for counting instructions */
        pairs((size_t)a, b);
    else if (!strcmp(mode, "realloc"))
        grow_buffer();
    else if (!strcmp(mode, "mixed"))
        mixed();
    else if (!strcmp(mode, "growth"))
        growth((size_t)a);
    else if (!strcmp(mode, "torture"))
        torture(10);
    else if (!strcmp(mode, "trees"))
        trees();
    else if (!strcmp(mode, "own") || !strcmp(mode, "cross") || !strcmp(mode, "larson"))
        threads(mode, (int)a);
    else
        return fprintf(stderr, "micro: unknown mode '%s'\n", mode), 2;
    return 0;
}
