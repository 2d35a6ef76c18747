/* Watermark and pool: alignment, zeroed memory, nothing shared, clear-all, failures of the page supply. */
#include "heap_port.h"

#include "heap/pool.h"
#include "heap/watermark.h"

struct object {
    unsigned char *start;
    size_t bytes;
    unsigned char mark;
};

static void random_objects(uint64_t *seed)
{
    enum { OBJECTS = 3000 };
    static struct object objects[OBJECTS];
    struct watermark mark;
    watermark_init(&mark, &port_hooks, 4096, 65536);
    size_t asked = 0;
    for (int i = 0; i < OBJECTS; i++) {
        size_t bytes = unit_random(seed) % 8 == 0 ? unit_random(seed) % 100000 + 1 : unit_random(seed) % 200 + 1;
        size_t align = (size_t)1 << unit_random(seed) % 13;
        unsigned char *start = watermark_take(&mark, bytes, align);
        CHECK(start != NULL);
        CHECK((uintptr_t)start % align == 0, "%p for %zu", (void *)start, align);
        for (size_t j = 0; j < bytes; j++)
            if (start[j] != 0) {
                CHECK(start[j] == 0, "object %d, byte %zu is %u", i, j, start[j]);
                break;
            }
        objects[i] = (struct object){start, bytes, (unsigned char)(i % 255 + 1)};
        memset(start, objects[i].mark, bytes);
        asked += bytes;
        struct check check = port_check();
        watermark_consistent(&mark, &check);
    }
    CHECK(mark.taken == asked, "%zu %zu", mark.taken, asked);
    CHECK(mark.held == port.mapped);
    CHECK(mark.held < asked + asked / 3 + 131072, "%zu for %zu", mark.held, asked);
    for (int i = 0; i < OBJECTS; i++)
        for (size_t j = 0; j < objects[i].bytes; j++)
            if (objects[i].start[j] != objects[i].mark) {
                CHECK(false, "object %d was overwritten", i);
                break;
            }
    watermark_clear(&mark);
    CHECK(port.mapped == 0, "%zu bytes left after clear", port.mapped);
    CHECK(watermark_take(&mark, 100, 16) != NULL);
    watermark_clear(&mark);
}

static void refusals(void)
{
    struct watermark mark;
    watermark_init(&mark, &port_hooks, 4096, 65536);
    CHECK(watermark_take(&mark, SIZE_MAX, 16) == NULL);
    CHECK(watermark_take(&mark, (size_t)PTRDIFF_MAX, 16) == NULL);
    CHECK(watermark_take(&mark, 16, 3) == NULL);
    CHECK(watermark_take(&mark, 16, 8192) == NULL);
    CHECK(watermark_take(&mark, 0, 16) != NULL);
    watermark_clear(&mark);
    port.limit = 4096;          /* a chunk is refused, its smallest form is not */
    char *start = watermark_take(&mark, 64, 64);
    CHECK(start != NULL && mark.held == 4096);
    port.limit = 1;
    size_t held = mark.held, taken = mark.taken;
    CHECK(watermark_take(&mark, 5000, 16) == NULL);
    CHECK(mark.held == held && mark.taken == taken);
    CHECK(watermark_take(&mark, 64, 64) == start + 64);
    port.limit = 0;
    watermark_clear(&mark);
}

static void pools(uint64_t *seed)
{
    enum { OBJECTS = 500, BYTES = 72 };
    struct watermark mark;
    struct pool pool;
    static unsigned char *objects[OBJECTS];
    watermark_init(&mark, &port_hooks, 4096, 65536);
    pool_init(&pool, &mark, BYTES, 16, 64);
    for (int step = 0; step < 20000; step++) {
        int i = (int)(unit_random(seed) % OBJECTS);
        if (objects[i] == NULL) {
            objects[i] = pool_take(&pool);
            CHECK(objects[i] != NULL && (uintptr_t)objects[i] % 16 == 0);
            memset(objects[i], i % 255 + 1, BYTES);
        } else {
            for (int j = 0; j < BYTES; j++)
                CHECK(objects[i][j] == i % 255 + 1, "object %d byte %d", i, j);
            pool_give(&pool, objects[i]);
            CHECK(objects[i][0] == i % 255 + 1 && objects[i][63] == i % 255 + 1, "what lies before the link stays");
            objects[i] = NULL;
        }
        if (step % 100 == 0) {
            struct check check = port_check();
            pool_consistent(&pool, &check);
        }
    }
    CHECK(pool.made <= OBJECTS, "%zu objects made for %d places", pool.made, OBJECTS);
    port.limit = 1;
    size_t used = pool.used;
    while (pool_take(&pool) != NULL)
        used++;
    CHECK(pool.used == used && used == pool.made, "a pool without memory hands out every free object, then none");
    port.limit = 0;
    watermark_clear(&mark);
    CHECK(port.mapped == 0);
}

int main(void)
{
    uint64_t seed = unit_seed("heap_watermark");
    random_objects(&seed);
    refusals();
    pools(&seed);
    return unit_result("heap_watermark");
}
