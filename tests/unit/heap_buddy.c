/* Buddy: the textbook's walk-through, and random operations against a model that knows nothing of bits and lists. */
#include "heap_port.h"

#include "heap/buddy.h"

#define KIB ((size_t)1024)

static unsigned order_for(size_t bytes, size_t unit)
{
    unsigned order = 0;
    while (unit << order < bytes)
        order++;
    return order;
}

/* Free blocks per order, counted from the lists. */
struct counts { unsigned of[BUDDY_ORDERS]; };

static void count_block(void *ctx, char *start, size_t bytes)
{
    struct counts *counts = ctx;
    (void)start;
    counts->of[order_for(bytes, 64 * KIB)]++;
}

static void expect_free(const struct buddy *buddy, unsigned o0, unsigned o1, unsigned o2, unsigned o3, unsigned o4, const char *when)
{
    struct counts counts = {{0}};
    buddy_each_free(buddy, count_block, &counts);
    CHECK(counts.of[0] == o0 && counts.of[1] == o1 && counts.of[2] == o2 && counts.of[3] == o3 && counts.of[4] == o4,
          "%s: free blocks of 64K %u, 128K %u, 256K %u, 512K %u, 1M %u", when, counts.of[0], counts.of[1], counts.of[2], counts.of[3], counts.of[4]);
    struct check check = port_check();
    buddy_consistent(buddy, &check);
}

/* 1 MiB in units of 64 KiB; requests of 37, 67, 112 and 150 KiB. */
static void textbook(void)
{
    static uint64_t book[64];
    char *base = (char *)((uintptr_t)1 << 30);      /* never touched */
    struct buddy buddy;
    CHECK(buddy_book_bytes(4) <= sizeof book);
    buddy_init(&buddy, base, 16, 4, book);
    expect_free(&buddy, 0, 0, 0, 0, 1, "at first");

    static const struct { size_t asked, given, waste; } requests[] = {{37, 64, 27}, {67, 128, 61}, {112, 128, 16}, {150, 256, 106}};
    char *blocks[4];
    for (int i = 0; i < 4; i++) {
        unsigned order = order_for(requests[i].asked * KIB, 64 * KIB);
        blocks[i] = buddy_alloc(&buddy, order);
        char *start = NULL;
        unsigned found = 0;
        CHECK(blocks[i] != NULL && buddy_find(&buddy, blocks[i] + requests[i].asked * KIB - 1, &start, &found));
        CHECK(start == blocks[i] && found == order);
        size_t given = (64 * KIB) << found;
        CHECK(given == requests[i].given * KIB && given - requests[i].asked * KIB == requests[i].waste * KIB, "%zu for %zu", given / KIB, requests[i].asked);
        switch (i) {
        case 0:     /* 1M is split four times: 512, 256, 128, 64 and the block */
            CHECK(blocks[0] == base);
            expect_free(&buddy, 1, 1, 1, 1, 0, "after 37K");
            break;
        case 1:     /* the 128 that is there */
            CHECK(blocks[1] == base + 128 * KIB);
            expect_free(&buddy, 1, 0, 1, 1, 0, "after 67K");
            break;
        case 2:     /* 256 is split */
            CHECK(blocks[2] == base + 256 * KIB);
            expect_free(&buddy, 1, 1, 0, 1, 0, "after 112K");
            break;
        case 3:     /* 512 is split */
            CHECK(blocks[3] == base + 512 * KIB);
            expect_free(&buddy, 1, 1, 1, 0, 0, "after 150K");
            break;
        }
    }
    CHECK(buddy_alloc(&buddy, 3) == NULL && buddy_largest(&buddy) == 2);
    CHECK(buddy_free(&buddy, blocks[2]) == 1);      /* joins with 128 at 384: 256 at 256 */
    expect_free(&buddy, 1, 0, 2, 0, 0, "112K released");
    CHECK(buddy_free(&buddy, blocks[0]) == 0);      /* joins with 64: 128 at 0, whose buddy is in use */
    expect_free(&buddy, 0, 1, 2, 0, 0, "37K released");
    CHECK(buddy_free(&buddy, blocks[3]) == 2);      /* joins with 256 at 768: 512 at 512 */
    expect_free(&buddy, 0, 1, 1, 1, 0, "150K released");
    CHECK(buddy_free(&buddy, blocks[1]) == 1);      /* joins up to the whole */
    expect_free(&buddy, 0, 0, 0, 0, 1, "67K released");
    CHECK(buddy_free(&buddy, blocks[1]) == -1 && buddy_free(&buddy, base + 64 * KIB) == -1);
    expect_free(&buddy, 0, 0, 0, 0, 1, "freed twice");
}

/* The model: per unit, the order of the block that starts there and is in use, or -1. A block of an order is available exactly
 * when an aligned range of units is covered by no block. */
#define TOP 9
#define UNITS (1 << TOP)
#define STRETCHES 3

struct model {
    signed char starts[UNITS];
    bool covered[UNITS];
};

static int model_largest(const struct model *model)
{
    for (int order = TOP; order >= 0; order--)
        for (int unit = 0; unit < UNITS; unit += 1 << order) {
            bool free = true;
            for (int i = unit; i < unit + (1 << order) && free; i++)
                free = !model->covered[i];
            if (free)
                return order;
        }
    return -1;
}

static void against_model(uint64_t *seed, int steps)
{
    static struct model models[STRETCHES];
    static struct buddy buddies[STRETCHES];
    static struct buddy_set set;
    static uint64_t book[STRETCHES][UNITS * 2];
    CHECK(buddy_book_bytes(TOP) <= sizeof book[0], "%zu", buddy_book_bytes(TOP));
    memset(book, 0, sizeof book);
    memset(&set, 0, sizeof set);
    for (int s = 0; s < STRETCHES; s++) {
        buddy_init(&buddies[s], (char *)((uintptr_t)(s + 1) << 32), 12, TOP, book[s]);
        buddy_set_add(&set, &buddies[s]);
        memset(models[s].starts, -1, sizeof models[s].starts);
        memset(models[s].covered, 0, sizeof models[s].covered);
    }
    unsigned want_free = 40;        /* percent; changes, so that it fills up and drains */
    for (int step = 0; step < steps; step++) {
        if (step % 500 == 0)
            want_free = 20 + (unsigned)(unit_random(seed) % 60);
        int s = (int)(unit_random(seed) % STRETCHES), unit = (int)(unit_random(seed) % UNITS);
        if (unit_random(seed) % 100 >= want_free) {
            unsigned order = (unsigned)(unit_random(seed) % 6 * (unit_random(seed) % 3) / 2);
            int best = TOP + 1;
            for (int i = 0; i < STRETCHES; i++) {
                int largest = model_largest(&models[i]);
                CHECK(largest == buddy_largest(&buddies[i]), "step %d: largest of %d is %d, model says %d", step, i, buddy_largest(&buddies[i]), largest);
                if (largest >= (int)order && largest < best)
                    best = largest;
            }
            struct buddy *from = NULL;
            char *block = buddy_set_alloc(&set, order, &from);
            CHECK((block != NULL) == (best <= TOP), "step %d: order %u", step, order);
            if (block == NULL)
                continue;
            int own = (int)(from - buddies);
            CHECK(block >= from->base && block < from->base + ((size_t)UNITS << 12));
            int first = (int)((size_t)(block - from->base) >> 12);
            CHECK(first % (1 << order) == 0);
            for (int i = first; i < first + (1 << order); i++) {
                CHECK(!models[own].covered[i], "step %d: unit %d given out twice", step, i);
                models[own].covered[i] = true;
            }
            models[own].starts[first] = (signed char)order;
        } else {
            char *address = buddies[s].base + ((size_t)unit << 12);
            int order = models[s].starts[unit];
            CHECK(buddy_set_free(&set, &buddies[s], address) == order, "step %d", step);
            if (order >= 0) {
                models[s].starts[unit] = -1;
                memset(&models[s].covered[unit], 0, (size_t)1 << order);
            }
        }
        char *start;
        unsigned order;
        bool found = buddy_find(&buddies[s], buddies[s].base + ((size_t)unit << 12) + 77, &start, &order);
        CHECK(found == models[s].covered[unit]);
        if (found)
            CHECK(models[s].starts[(size_t)(start - buddies[s].base) >> 12] == (int)order);
        if (step % 16 == 0) {
            struct check check = port_check();
            buddy_set_consistent(&set, &check);
        }
    }
    for (int s = 0; s < STRETCHES; s++) {
        for (int unit = 0; unit < UNITS; unit++)
            if (models[s].starts[unit] >= 0)
                buddy_set_free(&set, &buddies[s], buddies[s].base + ((size_t)unit << 12));
        CHECK(buddy_is_whole(&buddies[s]) && buddies[s].free_units == UNITS, "everything coalesces");
    }
    struct check check = port_check();
    buddy_set_consistent(&set, &check);
    CHECK(set.by_largest[TOP + 1] != NULL);
    for (int i = 0; i < TOP; i++)
        CHECK(set.by_largest[i + 1] == NULL);
}

int main(void)
{
    uint64_t seed = unit_seed("heap_buddy");
    textbook();
    against_model(&seed, 6000);
    return unit_result("heap_buddy");
}
