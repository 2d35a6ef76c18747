/* Measures the composed heap: not a test, it never fails. Prints nanoseconds per operation and bytes of overhead per block.
 *
 *     heap_speed [BLOCKS]      BLOCKS (default 1,000,000): live blocks for the overhead figures */
#include "heap_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct heap *heap;

/* CPU time of the calling thread: other work on the machine does not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void quick_lock(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}

static void quick_unlock(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

static void quick_discard(void *ctx, void *pages, size_t bytes)
{
    (void)ctx;
    madvise(pages, bytes, MADV_DONTNEED);
}

static size_t resident(void)
{
    long total, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL && fscanf(file, "%ld %ld", &total, &pages) != 2)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return (size_t)pages * 4096;
}

static struct heap *make(enum heap_engine engine)
{
    struct heap_hooks hooks = port_hooks;
    hooks.lock = quick_lock;
    hooks.unlock = quick_unlock;
    hooks.discard = quick_discard;
    hooks.region_opened = hooks.region_closed = NULL;
    return heap_create(&(struct heap_config){.page_size = 4096, .tag_bytes = 24, .phase = 16, .engine = engine}, &hooks);
}

static void pairs(size_t room, size_t rounds)
{
    struct heap_block block;
    double start = now();
    for (size_t i = 0; i < rounds; i++) {
        heap_alloc(heap, room, 16, &block);
        heap_free(heap, &block);
    }
    double pair = (now() - start) / (double)rounds;
    enum { BATCH = 1000 };
    static struct heap_block blocks[BATCH];
    size_t batches = rounds / BATCH;
    start = now();
    for (size_t i = 0; i < batches; i++) {
        for (int j = 0; j < BATCH; j++)
            heap_alloc(heap, room, 16, &blocks[j]);
        for (int j = 0; j < BATCH; j++)
            heap_free(heap, &blocks[j]);
    }
    double batch = (now() - start) / (double)(batches * BATCH);
    heap_alloc(heap, room, 16, &block);
    start = now();
    for (size_t i = 0; i < rounds; i++) {
        struct heap_block found;
        heap_find(heap, block.start + i % room, &found);
        __asm__ volatile("" : : "r"(&found) : "memory");
    }
    double find = (now() - start) / (double)rounds;
    heap_free(heap, &block);
    printf("room %8zu: pair %7.1f ns   in batches of 1000 %7.1f ns   find %6.1f ns\n", room, pair, batch, find);
}

static void overhead(size_t room, size_t n)
{
    size_t before = resident();
    char **starts = malloc(n * sizeof *starts);
    memset(starts, 1, n * sizeof *starts);
    before = resident();
    double start = now();
    for (size_t i = 0; i < n; i++) {
        struct heap_block block;
        if (!heap_alloc(heap, room, 16, &block))
            abort();
        starts[i] = block.start;
        memset(block.start, 1, room);
        memset(block.tag, 1, 24);
    }
    double grow = (now() - start) / (double)n;
    size_t with = resident();
    start = now();
    for (size_t i = 0; i < n; i++) {
        struct heap_block block;
        heap_find(heap, starts[i] + 16, &block);
        __asm__ volatile("" : : "r"(&block) : "memory");
    }
    double find = (now() - start) / (double)n;
    uint64_t state = 1;
    start = now();
    for (size_t i = 0; i < n; i++) {
        struct heap_block block;
        heap_find(heap, starts[unit_random(&state) % n] + 16, &block);
        __asm__ volatile("" : : "r"(&block) : "memory");
    }
    double far = (now() - start) / (double)n;
    struct heap_engine_stats stats[HEAP_ENGINES];
    start = now();
    heap_stats(heap, stats);
    double figures = (now() - start) / 1e6;
    printf("%zu blocks of room %zu: %.2f bytes resident per block, %.2f over its room and tag; growth %.1f ns (memory touched), find in order %.1f ns, at random %.1f ns, figures %.1f ms\n",
           n, room, (double)(with - before) / (double)n, (double)(with - before) / (double)n - (double)room - 24, grow, find, far, figures);
    start = now();
    for (size_t i = 0; i < n; i++) {
        struct heap_block block;
        heap_find(heap, starts[i], &block);
        heap_free(heap, &block);
    }
    printf("    find and free %.1f ns; resident then %.1f MiB more than before\n", (now() - start) / (double)n, ((double)resident() - (double)before) / 1048576);
    free(starts);
}

struct exchange {
    size_t rounds;
    double ns;
    char *mail[4096];
    size_t sent __attribute__((aligned(64))), taken __attribute__((aligned(64)));
};

struct worker {
    size_t rounds;
    double ns;
    pthread_barrier_t *start;   /* NULL: alone */
};

static void *own_blocks(void *arg)
{
    struct worker *worker = arg;
    size_t rounds = worker->rounds;
    struct heap_block blocks[64];
    if (worker->start != NULL)
        pthread_barrier_wait(worker->start);
    double start = now();
    for (size_t i = 0; i < rounds / 64; i++) {
        for (int j = 0; j < 64; j++)
            heap_alloc(heap, 80, 16, &blocks[j]);
        for (int j = 0; j < 64; j++)
            heap_free(heap, &blocks[j]);
    }
    worker->ns = (now() - start) / (double)rounds;
    heap_thread_end(heap);
    return NULL;
}

static void *produce(void *arg)
{
    struct exchange *x = arg;
    for (size_t i = 0; i < x->rounds; i++) {
        struct heap_block block;
        while (i - __atomic_load_n(&x->taken, __ATOMIC_ACQUIRE) >= 4096)
            sched_yield();
        heap_alloc(heap, 80, 16, &block);
        x->mail[i % 4096] = block.start;
        __atomic_store_n(&x->sent, i + 1, __ATOMIC_RELEASE);
    }
    heap_thread_end(heap);
    return NULL;
}

static void *consume(void *arg)
{
    struct exchange *x = arg;
    double start = now();
    for (size_t i = 0; i < x->rounds; i++) {
        struct heap_block block;
        while (__atomic_load_n(&x->sent, __ATOMIC_ACQUIRE) <= i)
            sched_yield();
        heap_find(heap, x->mail[i % 4096], &block);
        heap_free(heap, &block);
        __atomic_store_n(&x->taken, i + 1, __ATOMIC_RELEASE);
    }
    x->ns = now() - start;
    heap_thread_end(heap);
    return NULL;
}

static void threads(void)
{
    pthread_t a, b;
    pthread_barrier_t barrier;
    struct worker alone = {20000000, 0, NULL}, first = {20000000, 0, &barrier}, second = first;
    own_blocks(&alone);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&a, NULL, own_blocks, &first);
    pthread_create(&b, NULL, own_blocks, &second);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    printf("one thread %.1f ns a pair (CPU); two threads at once %.1f and %.1f: %.2f of twice one thread\n", alone.ns, first.ns, second.ns,
           2 * alone.ns / (first.ns + second.ns));
    struct exchange *x = calloc(1, sizeof *x);
    x->rounds = 10000000;
    size_t mapped = port.mapped;
    pthread_create(&a, NULL, produce, x);
    pthread_create(&b, NULL, consume, x);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    printf("producer and consumer: %.1f ns of CPU a block, waiting included, %.1f MiB more mapped\n", x->ns / (double)x->rounds, ((double)port.mapped - (double)mapped) / 1048576);
    free(x);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000;
    heap = make(HEAP_AUTO);
    static const size_t rooms[] = {32, 80, 256, 1024};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        pairs(rooms[i], 20000000);
    pairs(4096, 3000000);
    pairs(65536, 1000000);
    pairs(200000, 1000000);
    pairs(2000000, 20000);
    heap = make(HEAP_AUTO);
    port_magazine_word = NULL;
    overhead(80, n);
    heap_thread_end(heap);
    threads();
    static const char *const names[] = {"auto", "slab", "freelist", "buddy"};
    for (enum heap_engine engine = HEAP_SLAB; engine <= HEAP_BUDDY; engine++) {
        port_magazine_word = NULL;
        heap = make(engine);
        printf("engine %s alone:\n", names[engine]);
        overhead(80, n / 10);
    }
    return 0;
}
