/* Page map and page source: every page answers with what was last set, at all sizes; runs do not overlap, zeroed means zero, all
 * memory goes back, every call of alloc_pages may fail. */
#include "heap_port.h"

#include "heap/pages.h"

/* ---- page map, against a plain list of what was set ---- */

struct range {
    uintptr_t start, bytes;
    uint64_t value;
};

static uint64_t expected(const struct range *ranges, int n, uintptr_t address)
{
    for (int i = n; i > 0; i--)
        if (address - ranges[i - 1].start < ranges[i - 1].bytes)
            return ranges[i - 1].value;
    return 0;
}

static void map_against_model(uint64_t *seed)
{
    enum { RANGES = 300 };
    static struct pagemap map;
    static struct range ranges[RANGES];
    memset(&map, 0, sizeof map);
    pagemap_init(&map, &port_hooks, 4096);
    for (int n = 0; n < RANGES; n++) {
        uintptr_t start = ((uintptr_t)0x7f00 << 32) + (unit_random(seed) % ((uintptr_t)1 << 33) & ~(uintptr_t)4095);
        unsigned shift = (unsigned)(unit_random(seed) % 22);
        uintptr_t bytes = (unit_random(seed) % ((uintptr_t)1 << (13 + shift)) & ~(uintptr_t)4095) + 4096;
        if (unit_random(seed) % 3 == 0) {
            start &= ~(((uintptr_t)1 << 24) - 1);
            bytes = (bytes + ((uintptr_t)1 << 24)) & ~(((uintptr_t)1 << 24) - 1);
        }
        ranges[n] = (struct range){start, bytes, unit_random(seed) % 4 == 0 ? 0 : (unit_random(seed) & 0xffffffff) * 2};
        if (unit_random(seed) % 10 == 0) {      /* out of memory: nothing changes */
            port.fail_at = port.calls + 1;
            bool done = pagemap_set(&map, (char *)start, bytes, ranges[n].value);
            port.fail_at = 0;
            if (!done)
                ranges[n].bytes = 0;
        } else {
            CHECK(pagemap_set(&map, (char *)start, bytes, ranges[n].value));
        }
        for (int probe = 0; probe < 200; probe++) {
            const struct range *near = &ranges[unit_random(seed) % (unsigned)(n + 1)];
            uintptr_t edge = unit_random(seed) % 2 ? near->start : near->start + near->bytes;
            uintptr_t address = unit_random(seed) % 2 ? edge + unit_random(seed) % 8192 - 4096 : near->start + unit_random(seed) % (near->bytes + 1);
            uint64_t value = pagemap_get(&map, (void *)address), wanted = expected(ranges, n + 1, address);
            CHECK(value == wanted, "range %d, address %lx: %lx, model says %lx", n, address, value, wanted);
        }
    }
    size_t nodes = map.nodes;
    CHECK(pagemap_set(&map, (char *)((uintptr_t)0x1000 << 32), (size_t)1 << 40, 42), "a terabyte");
    CHECK(map.nodes - nodes <= 17, "%zu nodes for an aligned terabyte", map.nodes - nodes);
    CHECK(pagemap_get(&map, (char *)((uintptr_t)0x1000 << 32) + ((size_t)1 << 40) - 1) == 42);
    CHECK(pagemap_get(&map, (char *)((uintptr_t)0x1000 << 32) + ((size_t)1 << 40)) == 0);
    for (int i = 0; i < 100000; i++)        /* no address is too wild */
        pagemap_get(&map, (void *)(uintptr_t)unit_random(seed));
}

/* ---- page source ---- */

#define RUNS 200
static struct pages pages;
static struct meta meta;
static struct page_run runs[RUNS];
static unsigned char marks[RUNS];

static void check_all(void)
{
    struct check check = port_check();
    pages_consistent(&pages, &check);
    meta_consistent(&meta, &check);
}

static void give(int i)
{
    for (size_t at = 0; at < runs[i].bytes; at += 4096)
        CHECK((unsigned char)runs[i].start[at] == marks[i] && (unsigned char)runs[i].start[at + 4095] == marks[i], "run %d was overwritten", i);
    pages_give(&pages, &runs[i]);
    runs[i].start = NULL;
}

static void source_against_model(uint64_t *seed, int steps)
{
    memset(&pages, 0, sizeof pages);
    memset(&meta, 0, sizeof meta);
    memset(runs, 0, sizeof runs);
    meta_init(&meta, &port_hooks, 4096, 44);
    pages_init(&pages, &port_hooks, &meta, 4096, 4 << 20, 40);
    size_t out = 0;
    for (int step = 0; step < steps; step++) {
        int i = (int)(unit_random(seed) % RUNS);
        if (runs[i].start == NULL) {
            size_t bytes = (size_t)4096 << unit_random(seed) % 9;
            if (unit_random(seed) % 8 == 0)
                port.fail_at = port.calls + 1 + unit_random(seed) % 4;
            bool done = pages_take(&pages, bytes, &runs[i]);
            CHECK(done || port.fail_at != 0);
            port.fail_at = 0;
            if (!done) {
                runs[i].start = NULL;
                continue;
            }
            CHECK(runs[i].bytes == bytes && (uintptr_t)runs[i].start % 4096 == 0);
            for (int j = 0; j < RUNS; j++)
                if (j != i && runs[j].start != NULL)
                    CHECK(runs[i].start + bytes <= runs[j].start || runs[j].start + runs[j].bytes <= runs[i].start, "runs overlap");
            if (runs[i].zeroed)
                for (size_t at = 0; at < bytes; at += 64)
                    if (runs[i].start[at] != 0) {
                        CHECK(false, "step %d: a zeroed run is not zero", step);
                        break;
                    }
            CHECK(pagemap_get(&pages.map, runs[i].start) == PAGES_HELD && pages_owner(&pages, runs[i].start) == NULL);
            marks[i] = (unsigned char)(unit_random(seed) % 255 + 1);
            memset(runs[i].start, marks[i], bytes);
            out += bytes;
        } else {
            out -= runs[i].bytes;
            give(i);
        }
        CHECK(pages.held_bytes - pages.free_bytes == out);
        if (step % 8 == 0)
            check_all();
        if (step % 1000 == 999) {
            pages_trim(&pages);
            CHECK(pages.stale_bytes == 0, "%zu stale bytes after trim", pages.stale_bytes);
            check_all();
        }
    }
    for (int i = 0; i < RUNS; i++)
        if (runs[i].start != NULL)
            give(i);
    check_all();
    CHECK(pages.free_bytes == pages.held_bytes && pages.whole <= 1);
    pages_trim(&pages);
    CHECK(pages.held_bytes == 0 && pages.first == NULL, "all arenas go back");
    check_all();
}

int main(void)
{
    uint64_t seed = unit_seed("heap_pages");
    map_against_model(&seed);
    source_against_model(&seed, 6000);
    return unit_result("heap_pages");
}
