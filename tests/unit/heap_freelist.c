/* Free list: every policy against a model that is a plain sorted array of segments. */
#include "heap_port.h"

#include "heap/bits.h"
#include "heap/freelist.h"

#define ARENAS 3
#define SEGMENTS 4096

/* One segment of the model. */
struct span {
    char *start;
    size_t bytes;
    struct segment *own;        /* NULL: free */
};

static struct span spans[SEGMENTS];     /* of all arenas, by address */
static size_t n_spans;
static char *arena_base[ARENAS];
static size_t arena_bytes[ARENAS];
static const char *cursor;

static bool is_arena_start(const char *address)
{
    for (int i = 0; i < ARENAS; i++)
        if (arena_base[i] == address)
            return true;
    return false;
}

static size_t gap_of(const struct span *span, size_t bytes, size_t phase, size_t align)
{
    size_t gap = 0;
    while (((uintptr_t)span->start + gap + phase) % align != 0)
        gap += 16;
    return gap + bytes <= span->bytes ? gap : SIZE_MAX;
}

/* What the policy has to choose; SIZE_MAX: nothing fits. tlsf: any that fits, so only whether there is one. */
static size_t model_choose(enum heap_fit fit, size_t bytes, size_t phase, size_t align)
{
    size_t best = SIZE_MAX, largest = 0;
    for (size_t i = 0; i < n_spans; i++)
        if (spans[i].own == NULL && spans[i].bytes > largest)
            largest = spans[i].bytes;
    for (int pass = 0; pass < 2 && best == SIZE_MAX; pass++)
        for (size_t i = 0; i < n_spans; i++) {
            if (spans[i].own != NULL || gap_of(&spans[i], bytes, phase, align) == SIZE_MAX)
                continue;
            if (fit == HEAP_FIT_NEXT && pass == 0 && spans[i].start < cursor)
                continue;
            if (fit == HEAP_FIT_WORST && pass == 0 && spans[i].bytes < largest)
                continue;
            bool by_size = fit == HEAP_FIT_BEST || fit == HEAP_FIT_WORST;
            if (best == SIZE_MAX || (by_size && spans[i].bytes < spans[best].bytes))
                best = i;
        }
    return best;
}

static void model_insert(size_t at, struct span span)
{
    memmove(&spans[at + 1], &spans[at], (n_spans - at) * sizeof *spans);
    spans[at] = span;
    n_spans++;
    CHECK(n_spans < SEGMENTS);
}

static void model_remove(size_t at)
{
    memmove(&spans[at], &spans[at + 1], (n_spans - at - 1) * sizeof *spans);
    n_spans--;
}

static void model_free(size_t at)
{
    spans[at].own = NULL;
    if (at + 1 < n_spans && spans[at + 1].own == NULL && !is_arena_start(spans[at + 1].start)) {
        spans[at].bytes += spans[at + 1].bytes;
        model_remove(at + 1);
    }
    if (at > 0 && spans[at - 1].own == NULL && !is_arena_start(spans[at].start)) {
        spans[at - 1].bytes += spans[at].bytes;
        model_remove(at);
        at--;
    }
    if (cursor > spans[at].start && cursor < spans[at].start + spans[at].bytes)
        cursor = spans[at].start;
}

static void compare(struct freelist *list, struct freelist_arena *arenas, int step)
{
    size_t at = 0, largest = 0, free_bytes = 0, used_bytes = 0;
    for (int a = 0; a < ARENAS; a++)
        for (struct segment *segment = arenas[a].first; segment != NULL; segment = segment->next, at++) {
            CHECK(at < n_spans && segment->start == spans[at].start && segment->bytes == spans[at].bytes && segment->used == (spans[at].own != NULL),
                  "step %d: segment %zu", step, at);
            if (segment->used)
                used_bytes += segment->bytes;
            else
                free_bytes += segment->bytes;
            if (!segment->used && segment->bytes > largest)
                largest = segment->bytes;
        }
    CHECK(at == n_spans, "step %d: %zu segments, model has %zu", step, at, n_spans);
    CHECK(freelist_largest(list) == largest, "step %d: largest %zu, model %zu", step, freelist_largest(list), largest);
    CHECK(list->fit.free_bytes == free_bytes && list->used_bytes == used_bytes, "step %d", step);
    struct check check = port_check();
    struct freelist_count count = {0};
    for (int a = 0; a < ARENAS; a++)
        freelist_arena_consistent(&arenas[a], &count, &check);
    freelist_consistent(list, &count, &check);
}

static void against_model(enum heap_fit fit, uint64_t *seed, int steps)
{
    static const char *const names[] = {"tlsf", "first", "next", "best", "worst"};
    static struct freelist list;
    static struct freelist_arena arenas[ARENAS];
    struct watermark mark;
    struct pool pool;
    memset(arenas, 0, sizeof arenas);
    watermark_init(&mark, &port_hooks, 4096, 65536);
    freelist_pool(&pool, &mark);
    freelist_init(&list, fit, &pool);
    n_spans = 0;
    cursor = NULL;
    char *memory = port_alloc_pages(&port, 1 << 20, 1 << 20);
    for (int a = 0; a < ARENAS; a++) {      /* two side by side: they must not be joined */
        arena_base[a] = memory + a * 200000 / 16 * 16 + (a == 2) * 4096;
        arena_bytes[a] = a == 0 ? (size_t)(200000 / 16 * 16) : 150000 + (unsigned)a * 1600;
        arena_bytes[a] = arena_bytes[a] / 16 * 16;
        void *book = watermark_take(&mark, freelist_book_bytes(arena_bytes[a]), 16);
        CHECK(freelist_add(&list, &arenas[a], arena_base[a], arena_bytes[a], book, true));
        spans[n_spans++] = (struct span){arena_base[a], arena_bytes[a], NULL};
    }
    compare(&list, arenas, -1);
    unsigned want_free = 40;
    for (int step = 0; step < steps; step++) {
        if (step % 400 == 0)
            want_free = 20 + (unsigned)(unit_random(seed) % 60);
        if (unit_random(seed) % 100 >= want_free) {
            size_t bytes = unit_random(seed) % 4 == 0 ? unit_random(seed) % 20000 + 1 : unit_random(seed) % 900 + 1;
            size_t align = unit_random(seed) % 5 == 0 ? (size_t)16 << unit_random(seed) % 9 : 16, phase = unit_random(seed) % 3 * 16;
            size_t rounded = (bytes + 15) / 16 * 16, wanted = model_choose(fit, rounded, phase, align);
            struct segment *segment = freelist_alloc(&list, bytes, phase, align);
            if (fit == HEAP_FIT_TLSF && segment == NULL) {
                /* Good fit may pass over a segment in the request's own bin, never one that is a step larger. */
                for (size_t i = 0; i < n_spans; i++)
                    CHECK(spans[i].own != NULL || spans[i].bytes < (rounded + align - 16) * 33 / 32 + 16, "step %d: %zu free for %zu", step, spans[i].bytes, rounded);
                continue;
            }
            CHECK((segment != NULL) == (wanted != SIZE_MAX), "%s step %d: %zu bytes, alignment %zu", names[fit], step, rounded, align);
            if (segment == NULL)
                continue;
            if (fit == HEAP_FIT_TLSF)       /* find which one it was */
                for (wanted = 0; wanted < n_spans; wanted++)
                    if (segment->start >= spans[wanted].start && segment->start < spans[wanted].start + spans[wanted].bytes)
                        break;
            struct span *span = &spans[wanted];
            CHECK(span->own == NULL, "%s step %d: memory given out twice", names[fit], step);
            size_t gap = gap_of(span, rounded, phase, align);
            CHECK(segment->start == span->start + gap && segment->bytes == rounded, "%s step %d: at %p, model says %p", names[fit], step,
                  (void *)segment->start, (void *)(span->start + gap));
            if (segment->start != span->start + gap)
                return;
            CHECK(((uintptr_t)segment->start + phase) % align == 0);
            struct span whole = *span;
            *span = (struct span){whole.start + gap, rounded, segment};
            cursor = span->start + rounded;
            if (whole.bytes > gap + rounded)
                model_insert(wanted + 1, (struct span){whole.start + gap + rounded, whole.bytes - gap - rounded, NULL});
            if (gap != 0)
                model_insert(wanted, (struct span){whole.start, gap, NULL});
        } else {
            size_t at = unit_random(seed) % n_spans;
            if (spans[at].own == NULL)
                continue;
            if (unit_random(seed) % 4 != 0) {
                freelist_free(&list, spans[at].own);
                model_free(at);
            } else {
                size_t bytes = (unit_random(seed) % (2 * spans[at].bytes) + 16) / 16 * 16;
                bool next_free = at + 1 < n_spans && spans[at + 1].own == NULL && !is_arena_start(spans[at + 1].start);
                bool fits = bytes <= spans[at].bytes || (next_free && bytes <= spans[at].bytes + spans[at + 1].bytes);
                CHECK(freelist_resize(&list, spans[at].own, bytes) == fits, "step %d", step);
                if (fits && bytes != spans[at].bytes) {
                    char *end = spans[at].start + spans[at].bytes + (next_free ? spans[at + 1].bytes : 0);
                    if (next_free)
                        model_remove(at + 1);
                    spans[at].bytes = bytes;
                    char *rest = spans[at].start + bytes;
                    if (rest < end)
                        model_insert(at + 1, (struct span){rest, (size_t)(end - rest), NULL});
                    if (next_free && rest < end && cursor > rest && cursor < end)
                        cursor = rest;
                }
            }
        }
        compare(&list, arenas, step);
        for (int probe = 0; probe < 3; probe++) {
            int a = (int)(unit_random(seed) % ARENAS);
            char *address = arena_base[a] + unit_random(seed) % arena_bytes[a];
            struct segment *segment = freelist_find(&arenas[a], address);
            struct segment_view view;
            CHECK(address >= segment->start && address < segment->start + segment->bytes);
            CHECK(freelist_look(&arenas[a], address, &view) && view.segment == segment && view.start == segment->start && view.bytes == segment->bytes);
        }
    }
    for (size_t i = n_spans; i > 0; i--)
        if (i - 1 < n_spans && spans[i - 1].own != NULL) {
            freelist_free(&list, spans[i - 1].own);
            model_free(i - 1);
        }
    compare(&list, arenas, steps);
    CHECK(n_spans == ARENAS && list.free_segments == ARENAS && list.used_segments == 0, "everything coalesces");
    for (int a = 0; a < ARENAS; a++) {
        struct segment_view view;
        CHECK(freelist_is_whole(&arenas[a]));
        freelist_remove(&list, &arenas[a]);
        CHECK(!freelist_look(&arenas[a], arena_base[a], &view), "a closed arena is not looked up");
    }
    CHECK(list.arena_bytes == 0 && pool.used == 0 && freelist_largest(&list) == 0);
    for (size_t i = 0; i < 1 << 20; i++)
        if (memory[i] != 0) {
            CHECK(false, "byte %zu of the memory was written", i);
            break;
        }
    port_free_pages(&port, memory, 1 << 20);
    watermark_clear(&mark);
    CHECK(port.mapped == 0);
}

/* Without nodes: what cannot be split is given whole, freeing still works, nothing is lost. */
static void without_nodes(void)
{
    static struct freelist list;
    struct freelist_arena arena = {0};
    struct watermark mark;
    struct pool pool;
    watermark_init(&mark, &port_hooks, 4096, 4096);
    freelist_pool(&pool, &mark);
    freelist_init(&list, HEAP_FIT_TLSF, &pool);
    static char memory[65536] __attribute__((aligned(4096)));
    static uint64_t book[1024];
    CHECK(freelist_book_bytes(sizeof memory) <= sizeof book);
    CHECK(freelist_add(&list, &arena, memory, sizeof memory, book, true));
    port.limit = 1;
    struct segment *given[2000];
    int n = 0;
    while (n < 2000 && (given[n] = freelist_alloc(&list, 32, 0, 16)) != NULL)
        n++;
    CHECK(n > 10 && n < 2000 && list.fit.free_bytes == 0, "the last one takes all the rest");
    CHECK(given[n - 1]->bytes > 32);
    CHECK(freelist_resize(&list, given[n - 1], 32) && given[n - 1]->bytes > 32, "no node for the rest: it stays as it was");
    freelist_free(&list, given[1]);     /* no free neighbour, no node needed */
    struct segment *aligned = freelist_alloc(&list, 16, 16, 32);
    CHECK(aligned == NULL || aligned->bytes >= 16);
    if (aligned != NULL)
        freelist_free(&list, aligned);
    for (int i = 0; i < n; i++)
        if (i != 1)
            freelist_free(&list, given[i]);
    CHECK(freelist_is_whole(&arena));
    port.limit = 0;
    struct freelist_count count = {0};
    struct check check = port_check();
    freelist_arena_consistent(&arena, &count, &check);
    freelist_consistent(&list, &count, &check);
    CHECK(freelist_alloc(&list, SIZE_MAX, 0, 16) == NULL && freelist_alloc(&list, 16, 0, (size_t)1 << 63) == NULL);
    CHECK(freelist_alloc(&list, sizeof memory + 1, 0, 16) == NULL);
    struct segment *all = freelist_alloc(&list, sizeof memory, 0, 16);
    CHECK(all != NULL && all->start == memory && list.fit.free_bytes == 0);
    watermark_clear(&mark);
}

int main(void)
{
    uint64_t seed = unit_seed("heap_freelist");
    for (enum heap_fit fit = HEAP_FIT_TLSF; fit <= HEAP_FIT_WORST; fit++)
        against_model(fit, &seed, 4000);
    without_nodes();
    return unit_result("heap_freelist");
}
