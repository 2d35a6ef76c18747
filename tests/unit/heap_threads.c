/* The composed heap with threads: blocks freed by others than their maker, look-ups of any address meanwhile, producer and
 * consumer, threads that end, and fork in the middle of it. */
#include "heap_port.h"

#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define SHARED 512
#define OWN 256

static struct heap *heap;
static struct heap_config config = {.page_size = 4096, .tag_bytes = 24, .phase = 16};
static char *shared[SHARED];                /* blocks that wait for whoever takes them; atomic */
static void *words[THREADS];                /* each thread's magazine word, as it was last seen */
static uint64_t main_seed;
static bool stop;                           /* atomic */

/* A block's contents and tag both say its number, so that two owners of one block show. */
static char *make(uint64_t number, uint64_t *seed)
{
    struct heap_block block;
    size_t room = unit_random(seed) % 8 == 0 ? unit_random(seed) % 300000 : unit_random(seed) % 1200;
    size_t align = unit_random(seed) % 8 == 0 ? (size_t)16 << unit_random(seed) % 9 : 16;
    room = room < 24 ? 24 : room;
    CHECK(heap_alloc(heap, room, align, &block));
    CHECK(((uintptr_t)block.start + config.phase) % align == 0 && block.room >= room);
    uint64_t *tag = block.tag, *words_of = (uint64_t *)(void *)block.start;
    CHECK(__atomic_load_n(&tag[0], __ATOMIC_RELAXED) == 0, "block %p is in use already", (void *)block.start);
    __atomic_store_n(&tag[0], number, __ATOMIC_RELAXED);
    words_of[0] = number;
    words_of[1] = room;
    block.start[room - 1] = (char)number;
    return block.start;
}

static void drop(char *start, uint64_t *seed)
{
    struct heap_block block;
    uint64_t *words_of = (uint64_t *)(void *)start;
    size_t room = words_of[1];
    CHECK(heap_find(heap, start + unit_random(seed) % room, &block) && block.start == start && block.used && block.room >= room, "%p", (void *)start);
    uint64_t *tag = block.tag;
    CHECK(__atomic_load_n(&tag[0], __ATOMIC_RELAXED) == words_of[0] && start[room - 1] == (char)words_of[0], "%p was overwritten", (void *)start);
    __atomic_store_n(&tag[0], 0, __ATOMIC_RELAXED);
    heap_free(heap, &block);
}

static void *work(void *arg)
{
    uintptr_t index = (uintptr_t)arg;
    uint64_t seed = main_seed + index * 1000003, number = index << 56;
    static char *own[THREADS][OWN];
    int steps = 300000;
    for (int step = 0; step < steps; step++) {
        size_t i = unit_random(&seed) % OWN;
        if (own[index][i] == NULL)
            own[index][i] = make(++number | 1ull << 55, &seed);
        else if (unit_random(&seed) % 3 == 0) {
            drop(own[index][i], &seed);
            own[index][i] = NULL;
        } else {        /* into the common place, and what was there is now mine */
            own[index][i] = __atomic_exchange_n(&shared[unit_random(&seed) % SHARED], own[index][i], __ATOMIC_ACQ_REL);
        }
        if (step % 8 == 0) {        /* near somebody's block, which may go at any moment; and anywhere */
            struct heap_block block;
            char *near = __atomic_load_n(&shared[unit_random(&seed) % SHARED], __ATOMIC_RELAXED);
            heap_find(heap, near + unit_random(&seed) % 4096 - 2048, &block);
            heap_find(heap, near + ((unit_random(&seed) % 512 - 256) << 16), &block);
            heap_find(heap, (void *)(uintptr_t)unit_random(&seed), &block);
        }
        if (step % 4096 == 0)
            __atomic_store_n(&words[index], port_magazine_word, __ATOMIC_RELEASE);
        if (step % 20000 == 19999)
            heap_trim(heap);
    }
    for (size_t i = 0; i < OWN; i++)
        if (own[index][i] != NULL) {
            drop(own[index][i], &seed);
            own[index][i] = NULL;
        }
    heap_thread_end(heap);
    CHECK(port_magazine_word == NULL);
    return NULL;
}

static void drop_shared(uint64_t *seed)
{
    for (int i = 0; i < SHARED; i++)
        if (shared[i] != NULL) {
            drop(shared[i], seed);
            shared[i] = NULL;
        }
}

static void all_gone(const char *when)
{
    heap_trim(heap);
    CHECK(heap_consistent(heap, port_say, NULL) == 0, "%s", when);
    struct heap_engine_stats stats[HEAP_ENGINES];
    heap_stats(heap, stats);
    CHECK(stats[HEAP_AUTO].blocks == 0 && stats[HEAP_AUTO].mapped == 0, "%s: %lu blocks, %lu bytes mapped", when, stats[HEAP_AUTO].blocks, stats[HEAP_AUTO].mapped);
}

static void stress(enum heap_engine engine)
{
    pthread_t threads[THREADS];
    port_magazine_word = NULL;
    config.engine = engine;
    heap = heap_create(&config, &port_hooks);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(heap_consistent(heap, port_say, NULL) == 0);
    drop_shared(&main_seed);
    all_gone("after the threads");
}

/* ---- one makes, another frees ---- */

#define MAIL 1024
static char *mail[MAIL];
static size_t sent, taken;      /* atomic */

static void *produce(void *arg)
{
    size_t rounds = *(size_t *)arg;
    for (size_t i = 0; i < rounds; i++) {
        struct heap_block block;
        while (i - __atomic_load_n(&taken, __ATOMIC_ACQUIRE) >= MAIL)
            sched_yield();
        CHECK(heap_alloc(heap, i % 5 == 0 ? 2000 : 80, 16, &block));
        mail[i % MAIL] = block.start;
        __atomic_store_n(&sent, i + 1, __ATOMIC_RELEASE);
    }
    heap_thread_end(heap);
    return NULL;
}

static void *consume(void *arg)
{
    size_t rounds = *(size_t *)arg;
    for (size_t i = 0; i < rounds; i++) {
        struct heap_block block;
        while (__atomic_load_n(&sent, __ATOMIC_ACQUIRE) <= i)
            sched_yield();
        CHECK(heap_find(heap, mail[i % MAIL], &block));
        heap_free(heap, &block);
        __atomic_store_n(&taken, i + 1, __ATOMIC_RELEASE);
    }
    heap_thread_end(heap);
    return NULL;
}

static void producer_and_consumer(void)
{
    size_t rounds = 1000000;
    pthread_t a, b;
    config.engine = HEAP_AUTO;
    heap = heap_create(&config, &port_hooks);
    pthread_create(&a, NULL, produce, &rounds);
    pthread_create(&b, NULL, consume, &rounds);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    struct heap_engine_stats stats[HEAP_ENGINES];
    heap_stats(heap, stats);
    CHECK(stats[HEAP_SLAB].mapped <= 1 << 20 && stats[HEAP_FREELIST].mapped <= 8 << 20, "%lu and %lu bytes mapped for never more than %d blocks",
          stats[HEAP_SLAB].mapped, stats[HEAP_FREELIST].mapped, MAIL);
    all_gone("after producer and consumer");
}

/* ---- fork ---- */

/* In the child: the heap works at once, what the lost threads held in magazines is back, and nothing was handed out twice. */
static void in_child(void)
{
    unit_failures = 0;
    heap_unlock_all(heap);
    for (int i = 0; i < THREADS; i++)
        heap_thread_gone(heap, __atomic_load_n(&words[i], __ATOMIC_ACQUIRE));
    CHECK(heap_consistent(heap, port_say, NULL) == 0, "in the child");
    uint64_t seed = main_seed;
    static char *fresh[3000];
    for (int i = 0; i < 3000; i++) {
        struct heap_block block;
        CHECK(heap_alloc(heap, 24 + unit_random(&seed) % 2000, 16, &block));
        fresh[i] = block.start;
        memset(block.start, i % 255, block.room);
    }
    for (int i = 0; i < 3000; i++) {
        struct heap_block block;
        CHECK(heap_find(heap, fresh[i], &block) && block.start == fresh[i]);
        for (size_t j = 0; j < block.room; j++)
            CHECK((unsigned char)fresh[i][j] == i % 255);
        heap_free(heap, &block);
    }
    CHECK(heap_consistent(heap, port_say, NULL) == 0, "in the child at its end");
    _exit(unit_failures != 0);
}

static void *churn(void *arg)
{
    uintptr_t index = (uintptr_t)arg;
    struct heap_block blocks[100];
    size_t n = 0;
    __atomic_store_n(&words[index], NULL, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        for (n = 0; n < 100; n++)
            heap_alloc(heap, 16 + n * 9, 16, &blocks[n]);
        __atomic_store_n(&words[index], port_magazine_word, __ATOMIC_RELEASE);
        for (size_t i = 0; i < n; i++)
            heap_free(heap, &blocks[i]);
    }
    heap_thread_end(heap);
    return NULL;
}

static void forks(void)
{
    pthread_t threads[THREADS];
    config.engine = HEAP_AUTO;
    heap = heap_create(&config, &port_hooks);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    for (int i = 0; i < 50; i++) {
        struct heap_block block;
        CHECK(heap_alloc(heap, 100, 16, &block));
        heap_lock_all(heap);
        pid_t child = fork();
        if (child == 0)
            in_child();
        heap_unlock_all(heap);
        int status;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork %d: status %x", i, (unsigned)status);
        heap_free(heap, &block);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    all_gone("after forks");
}

int main(void)
{
    main_seed = unit_seed("heap_threads");
    for (enum heap_engine engine = HEAP_AUTO; engine <= HEAP_BUDDY; engine++)
        stress(engine);
    producer_and_consumer();
    forks();
    return unit_result("heap_threads");
}
