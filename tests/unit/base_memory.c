/* Own mappings: random maps, whole and partial unmaps against a model of pages; failing maps; the limit; readers meanwhile;
 * the fork child's rebuilt index; table growth when memory is refused. */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/table.h"
#include "unit.h"

#define PAGE 4096u
#define SPANS 3000

/* The model: each span is one mapping or a part of one that is left. */
static struct span { char *start; size_t bytes; enum record_purpose purpose; } spans[SPANS];
static unsigned n_spans;
static size_t model_own;

static void *(*real_map)(size_t, int, int);
static unsigned long maps_until_failure = ~0ul;

static void *failing_map(size_t bytes, int prot, int flags)
{
    if (maps_until_failure == 0)
        return NULL;
    maps_until_failure--;
    return real_map(bytes, prot, flags);
}

static void add_span(char *start, size_t bytes, enum record_purpose purpose)
{
    if (bytes)
        spans[n_spans++] = (struct span){start, bytes, purpose};
}

static void one_map(uint64_t *seed)
{
    size_t bytes = (size_t)(unit_random(seed) % 20 + 1) * PAGE - (unit_random(seed) & 1) * 7;
    size_t align = (size_t)PAGE << (unit_random(seed) % 6);
    enum record_purpose purpose = (enum record_purpose)(RECORD_PURPOSE_HEAP + unit_random(seed) % 4);
    char *start = memory_map(bytes, align, purpose);
    CHECK(start && (uintptr_t)start % align == 0, "%zu bytes aligned to %zu", bytes, align);
    bytes = (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    CHECK(memory_differs(start, 0, bytes) == bytes, "new pages are zero");
    start[bytes - 1] = 1;
    add_span(start, bytes, purpose);
    model_own += purpose == RECORD_PURPOSE_HEAP ? 0 : bytes;
}

static void one_unmap(uint64_t *seed)
{
    unsigned at = (unsigned)(unit_random(seed) % n_spans);
    struct span span = spans[at];
    size_t pages = span.bytes / PAGE, first = 0, count = pages;
    if (unit_random(seed) & 1) {
        first = (size_t)(unit_random(seed) % pages);
        count = (size_t)(unit_random(seed) % (pages - first)) + 1;
    }
    spans[at] = spans[--n_spans];
    memory_unmap(span.start + first * PAGE, count * PAGE);
    CHECK(!memory_is_own(span.start + first * PAGE) && !memory_is_own(span.start + (first + count) * PAGE - 1));
    add_span(span.start, first * PAGE, span.purpose);
    add_span(span.start + (first + count) * PAGE, (pages - first - count) * PAGE, span.purpose);
    model_own -= span.purpose == RECORD_PURPOSE_HEAP ? 0 : count * PAGE;
}

/* The record, as a reader sees it, has exactly the model's pages. */
static void compare(size_t base_own)
{
    CHECK(memory_own_bytes() - base_own == model_own, "%zu and %zu", memory_own_bytes() - base_own, model_own);
    CHECK(memory_consistent(unit_say) == 0);
    for (unsigned i = 0; i < n_spans; i++) {
        CHECK(memory_is_own(spans[i].start) && memory_is_own(spans[i].start + spans[i].bytes - 1));
        const struct record_table *table = anchor_table(RECORD_TABLE_MAPPINGS);
        unsigned found = 0;
        for (uint64_t j = 1; j < table->count; j++) {
            const struct record_mapping *entry = table_at(table, j);
            if (entry->purpose != RECORD_PURPOSE_NONE && entry->start == (uintptr_t)spans[i].start)
                found += entry->bytes == spans[i].bytes && entry->purpose == (uint32_t)spans[i].purpose;
        }
        CHECK(found == 1, "span %p is there %u times", (void *)spans[i].start, found);
    }
}

static int stop;
static void *steady;

/* A mapping that stays is seen at any time, whatever the others do. */
static void *reader(void *misses)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        if (!memory_is_own(steady) || memory_is_own(&stop))
            ++*(unsigned long *)misses;
    return NULL;
}

static void random_maps(uint64_t seed)
{
    unsigned long misses = 0;
    pthread_t thread;
    steady = memory_map(PAGE, 0, RECORD_PURPOSE_OTHER);
    size_t base_own = memory_own_bytes();
    pthread_create(&thread, NULL, reader, &misses);
    for (int i = 0; i < 20000; i++) {
        if (n_spans < 5 || (n_spans < 400 && (unit_random(&seed) & 3)))
            one_map(&seed);
        else
            one_unmap(&seed);
        if (i % 2000 == 0)
            compare(base_own);
    }
    /* Beyond the static chunk: the record's own growth is own memory that the model does not know. */
    while (n_spans < 2500)
        one_map(&seed);
    CHECK(memory_consistent(unit_say) == 0);
    base_own = memory_own_bytes() - model_own;
    compare(base_own);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CHECK(misses == 0, "%lu wrong answers to a reader", misses);

    pid_t pid = fork();
    if (pid == 0) {
        unit_failures = 0;
        memory_fork_child();
        compare(base_own);
        one_map(&seed);
        one_unmap(&seed);
        CHECK(memory_consistent(unit_say) == 0);
        _exit(unit_failures != 0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(status == 0, "the fork child failed");
    while (n_spans)
        one_unmap(&seed);
    compare(base_own);
}

static void limits(void)
{
    size_t own = memory_own_bytes();
    memory_set_limit(own + 10 * PAGE);
    void *a = memory_map(8 * PAGE, 0, RECORD_PURPOSE_RECORDS);
    CHECK(a != NULL);
    CHECK(memory_map(4 * PAGE, 0, RECORD_PURPOSE_RECORDS) == NULL);
    CHECK(memory_map(4 * PAGE, 0, RECORD_PURPOSE_OTHER) == NULL);
    void *heap = memory_map(64 * PAGE, 0, RECORD_PURPOSE_HEAP);
    CHECK(heap != NULL, "the heap's pages do not count");
    memory_set_limit(0);
    void *b = memory_map(4 * PAGE, 0, RECORD_PURPOSE_RECORDS);
    CHECK(b != NULL);
    memory_unmap(a, 8 * PAGE);
    memory_unmap(b, 4 * PAGE);
    memory_unmap(heap, 64 * PAGE);
    CHECK(memory_own_bytes() == own);
    CHECK(memory_map(SIZE_MAX - 5, 0, RECORD_PURPOSE_HEAP) == NULL);
    CHECK(memory_map((size_t)1 << 60, 0, RECORD_PURPOSE_HEAP) == NULL);
    CHECK(memory_map(0, 0, RECORD_PURPOSE_HEAP) == NULL);
}

/* A table grows by chunks; a chunk that is refused leaves the table as it was, and growth goes on later. */
static void tables(uint64_t seed)
{
    static struct record_table table;
    uint64_t expected = 1;
    maps_until_failure = 0;
    CHECK(!table_init(&table, 24, 8, 1 << 20) || table.count == 1);
    CHECK(table_reserve(&table, 1) == 0, "a table that is not there gives nothing");
    maps_until_failure = ~0ul;
    CHECK(table_init(&table, 24, 8, 1000));     /* 4 chunks of 256 */
    for (int i = 0; expected < 1024; i++) {
        uint32_t n = (uint32_t)(unit_random(&seed) % 5) + 1;
        uint64_t wanted = (expected & 255) + n > 256 ? (expected + 255) & ~255ull : expected;
        bool grows = wanted % 256 == 0;
        if (grows && (i & 1)) {
            maps_until_failure = 0;
            CHECK(table_reserve(&table, n) == 0);
            maps_until_failure = ~0ul;
        }
        uint64_t index = table_reserve(&table, n);
        if (wanted >= 1024) {
            CHECK(index == 0, "a full table gives nothing");
            break;
        }
        CHECK(index == wanted, "%llu for %llu", (unsigned long long)index, (unsigned long long)wanted);
        CHECK(table_at(&table, index) == NULL, "not published yet");
        uint32_t *entry = table_known(&table, index);
        CHECK(memory_differs(entry, 0, 24 * n) == 24 * n);
        memset(entry, 0xff, 24 * n);                        /* an abandoned reservation … */
        CHECK(table_reserve(&table, n) == index);
        CHECK(memory_differs(entry, 0, 24 * n) == 24 * n);  /* … is zero when it is given again */
        for (uint32_t j = 0; j < n; j++)
            entry[j * 6] = (uint32_t)index + j;
        table_publish(&table, index, n);
        expected = index + n;
        CHECK(table.count == expected);
    }
    for (uint64_t i = 1; i < table.count; i++) {
        uint32_t *entry = table_at(&table, i);
        CHECK(entry && (*entry == i || *entry == 0));
    }
    CHECK(table_reserve(&table, 257) == 0, "more than a chunk");

    CHECK(table_strings_init());
    uint64_t a = table_string("one", 3), b = table_string("", 0), c = table_string("two\0three", 9);
    struct record_table *strings = anchor_table(RECORD_TABLE_STRINGS);
    CHECK(a && b > a && c > b);
    CHECK(memcmp(table_at(strings, a), "one", 4) == 0 && *(char *)table_at(strings, b) == 0);
    CHECK(memcmp(table_at(strings, c), "two\0three", 10) == 0);
    char *lengthy = calloc(1, 1 << 20);
    memset(lengthy, 'x', 1 << 18);
    CHECK(table_string(lengthy, 1 << 18) == 0, "too long for a chunk");
    uint64_t d = table_string(lengthy, (1 << 18) - 1);
    CHECK(d && memcmp(table_at(strings, d), lengthy, (1 << 18) - 1) == 0);
    free(lengthy);
}

static void kept(void)
{
    char *last = NULL;
    for (size_t i = 1; i < 3000; i++) {
        size_t align = (size_t)8 << (i % 4);
        char *object = memory_keep(i % 200 + 1, align);
        CHECK(object && object != last && (uintptr_t)object % align == 0);
        CHECK(memory_differs(object, 0, i % 200 + 1) == i % 200 + 1);
        memset(object, 0xee, i % 200 + 1);
        CHECK(memory_is_own(object));
        last = object;
    }
    maps_until_failure = 0;
    while (memory_keep(1000, 8)) {}
    maps_until_failure = ~0ul;
    CHECK(memory_keep(1000, 8) != NULL);
    CHECK(memory_consistent(unit_say) == 0);
}

int main(void)
{
    uint64_t seed = unit_seed("base_memory");
    real_map = kernel.map;
    kernel.map = failing_map;
    maps_until_failure = 0;
    CHECK(memory_map(PAGE, 0, RECORD_PURPOSE_OTHER) == NULL, "nothing works without memory, and nothing breaks");
    CHECK(!memory_is_own(&seed));
    maps_until_failure = ~0ul;
    random_maps(seed);
    limits();
    tables(seed);
    kept();
    char copy[16];
    CHECK(kernel_read_memory(copy, "some bytes here", 16) && memcmp(copy, "some bytes here", 16) == 0);
    CHECK(!kernel_read_memory(copy, (const void *)(uintptr_t)64, 16));
    return unit_result("base_memory");
}
