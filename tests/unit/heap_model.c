/* The composed heap in every configuration, against a model: a list of living blocks.
 *
 * Each block is filled to its last byte and looked at when it goes; each tag is written and found again. From outside, the regions
 * announced by the hooks are walked as a reader of records would do it. Figures are compared with sums over the model. */
#include "heap_port.h"

#include "heap/internal.h"

#define BLOCKS 1500
#define REGIONS 4096
#define TAG_WORDS 3
#define LIVE 0x11feull
#define DEAD 0xdeadull

struct living {
    struct heap_block block;
    size_t asked, align;
    unsigned char fill;
};

static struct living blocks[BLOCKS];
static struct heap_region *regions[REGIONS];
static size_t n_regions;
static struct heap *heap;
static struct heap_config config;
static unsigned next_tag;

/* Of a block's tag in such a region. */
static size_t tag_bytes(const struct heap_region *region)
{
    return region->engine == HEAP_SLAB && config.slab_tag_bytes ? config.slab_tag_bytes : config.tag_bytes;
}

static void opened(void *ctx, struct heap_region *region)
{
    port_opened(ctx, region);
    if (region->user == HEAP_REFUSED)
        return;
    CHECK(n_regions < REGIONS);
    regions[n_regions++] = region;
    const unsigned char *tags = region->tags;
    size_t step = (region->stride == 0 ? 8 : 0) + tag_bytes(region), n = region->stride != 0 ? region->slots : 64;
    if (region->engine == HEAP_HUGE) {
        tags += 8;
        n = 1;
        step -= 8;
    }
    for (size_t i = 0; i < n * step; i++)
        if (tags[i] != 0) {
            CHECK(tags[i] == 0, "tag byte %zu of a new region is %u (engine %u)", i, tags[i], region->engine);
            break;
        }
}

static void closed(void *ctx, struct heap_region *region)
{
    port_closed(ctx, region);
    size_t i = 0;
    while (i < n_regions && regions[i] != region)
        i++;
    CHECK(i < n_regions, "a region is closed that is not open");
    regions[i] = regions[--n_regions];
}

/* What a reader of records sees: every living block exactly once. */
static void read_records(void)
{
    size_t living = 0, seen = 0;
    for (int i = 0; i < BLOCKS; i++)
        living += blocks[i].block.start != NULL;
    if (config.tag_bytes == 0)
        return;
    for (size_t r = 0; r < n_regions; r++) {
        const struct heap_region *region = regions[r];
        size_t step = (region->stride == 0 ? 8 : 0) + tag_bytes(region);
        for (uint32_t slot = 0; slot < region->slots; slot++) {
            const char *entry = (const char *)region->tags + slot * step;
            const uint64_t *tag = (const uint64_t *)(const void *)(region->stride == 0 ? entry + 8 : entry);
            if (tag[0] != LIVE)
                continue;
            seen++;
            const struct living *own = &blocks[tag[1]];
            const char *address = region->stride != 0 ? region->base + (size_t)slot * region->stride + config.phase : *(char *const *)(const void *)entry;
            CHECK(address == own->block.start + config.phase, "record says %p, block is at %p", (const void *)address, (void *)own->block.start);
        }
    }
    CHECK(seen == living, "%zu records of living blocks, %zu blocks", seen, living);
}

static void figures(void)
{
    struct heap_engine_stats stats[HEAP_ENGINES], model[HEAP_ENGINES];
    memset(model, 0, sizeof model);
    heap_stats(heap, stats);
    size_t unit = config.engine == HEAP_BUDDY ? 64 : 4096;
    for (int i = 0; i < BLOCKS; i++) {
        const struct heap_block *block = &blocks[i].block;
        if (block->start == NULL)
            continue;
        struct heap_engine_stats *own = &model[block->region->engine];
        size_t occupied = block->room;
        if (block->region->engine == HEAP_BUDDY) {      /* a power of two of units around it */
            const char *end = block->start + block->room, *base = block->region->base;
            size_t bytes = unit;
            while (base + ((size_t)(block->start - base) & ~(bytes - 1)) + bytes != end)
                bytes *= 2;
            occupied = bytes;
        }
        if (block->region->engine == HEAP_HUGE)
            occupied = block->region->bytes;
        own->blocks++;
        own->requested += blocks[i].asked;
        own->occupied += occupied;
    }
    for (enum heap_engine engine = HEAP_SLAB; engine < HEAP_ENGINES; engine++) {
        CHECK(stats[engine].blocks == model[engine].blocks, "engine %u: %lu blocks, model %lu", engine, stats[engine].blocks, model[engine].blocks);
        CHECK(stats[engine].requested == model[engine].requested, "engine %u: %lu requested, model %lu", engine, stats[engine].requested, model[engine].requested);
        CHECK(stats[engine].occupied == model[engine].occupied, "engine %u: %lu occupied, model %lu", engine, stats[engine].occupied, model[engine].occupied);
        CHECK(stats[engine].mapped == stats[engine].occupied + stats[engine].free_bytes, "engine %u", engine);
        CHECK(stats[engine].largest_free <= stats[engine].free_bytes, "engine %u", engine);
        model[HEAP_AUTO].blocks += model[engine].blocks;
    }
    CHECK(stats[HEAP_AUTO].blocks == model[HEAP_AUTO].blocks && stats[HEAP_AUTO].mapped == stats[HEAP_AUTO].occupied + stats[HEAP_AUTO].free_bytes);
    CHECK(heap_overhead(heap) == port.meta, "%zu of overhead, the port gave %zu for bookkeeping", heap_overhead(heap), port.meta);
    CHECK(stats[HEAP_AUTO].mapped + heap_overhead(heap) == port.mapped, "%lu mapped and %zu overhead, the port gave %zu", stats[HEAP_AUTO].mapped,
          heap_overhead(heap), port.mapped);
}

static bool filled(const struct living *own)
{
    for (size_t i = 0; i < own->block.room; i++)
        if ((unsigned char)own->block.start[i] != own->fill)
            return false;
    return true;
}

static void check_find(const struct living *own, uint64_t *seed)
{
    struct heap_block found;
    size_t at = unit_random(seed) % own->block.room;
    CHECK(heap_find(heap, own->block.start + at, &found), "offset %zu of a block of %zu, engine %u", at, own->block.room, own->block.region->engine);
    CHECK(found.start == own->block.start && found.room == own->block.room && found.tag == own->block.tag && found.region == own->block.region
              && found.slot == own->block.slot && found.used, "found %p+%zu slot %u, is %p+%zu slot %u", (void *)found.start, found.room, found.slot,
          (void *)own->block.start, own->block.room, own->block.slot);
    CHECK(heap_owns(heap, own->block.start + at));
}

static void take(int i, size_t room, size_t align, uint64_t *seed)
{
    struct living *own = &blocks[i];
    struct heap_block before = {.start = (char *)1}, got = before;
    bool apart = unit_random(seed) % 4 == 0, placed = !apart && unit_random(seed) % 8 == 0;
    if (!(placed ? heap_alloc_placed : apart ? heap_alloc_apart : heap_alloc)(heap, room, align, &got)) {
        CHECK(got.start == before.start && got.tag == NULL, "a failed allocation leaves *out alone");
        CHECK(port.fail_at != 0 || port.refuse || port.limit != 0 || room > (size_t)1 << 40, "room %zu, alignment %zu", room, align);
        return;
    }
    own->block = got;
    own->asked = room == 0 ? 1 : room;
    own->align = align < 16 ? 16 : align;
    CHECK(got.room >= own->asked && ((uintptr_t)got.start + config.phase) % own->align == 0, "room %zu for %zu, alignment %zu at %p", got.room, room, align,
          (void *)got.start);
    CHECK(got.start >= got.region->base && got.start + got.room <= got.region->base + got.region->bytes);
    CHECK(heap_is_apart(heap, &got) == (apart && config.apart && got.region->engine == HEAP_SLAB), "apart %d, engine %u", apart, got.region->engine);
    CHECK(!placed || (got.region->stride == 0 && got.region->engine != HEAP_SLAB), "stride %u, engine %u", got.region->stride, got.region->engine);
    CHECK(config.engine == HEAP_AUTO || got.region->engine == config.engine || got.region->engine == HEAP_HUGE);
    if (got.zeroed)
        for (size_t j = 0; j < got.room; j += got.room > 65536 ? 61 : 1)
            if (got.start[j] != 0) {
                CHECK(got.start[j] == 0, "zeroed block is not zero at %zu of %zu, engine %u", j, got.room, got.region->engine);
                break;
            }
    uint64_t *tag = got.tag;
    if (config.tag_bytes != 0) {
        CHECK(tag[0] != LIVE, "the tag of a new block belongs to a living one");
        CHECK(tag[0] == 0 || tag[0] == DEAD, "tag %lx", tag[0]);
        tag[0] = LIVE;
        tag[1] = (uint64_t)i;
        if (tag_bytes(got.region) >= 24)
            tag[2] = ++next_tag;
    }
    own->fill = (unsigned char)(unit_random(seed) % 255 + 1);
    memset(own->block.start, own->fill, own->block.room);
    check_find(own, seed);
}

static void give(int i)
{
    struct living *own = &blocks[i];
    CHECK(filled(own), "block %d (%zu bytes, engine %u) was overwritten", i, own->block.room, own->block.region->engine);
    uint64_t *tag = own->block.tag;
    if (config.tag_bytes != 0) {
        CHECK(tag[0] == LIVE && tag[1] == (uint64_t)i, "tag of block %d is %lx %lx", i, tag[0], tag[1]);
        tag[0] = DEAD;
    }
    enum heap_engine engine = own->block.region->engine;
    char *start = own->block.start;
    size_t room = own->block.room;
    heap_free(heap, &own->block);
    struct heap_block found;
    if (heap_find(heap, start, &found)) {
        CHECK(!found.used && found.start <= start, "engine %u", engine);
        if (engine != HEAP_BUDDY || found.start == start)
            CHECK(found.start == start && found.tag == tag, "the block that was there is remembered, engine %u", engine);
    }
    if (engine == HEAP_HUGE)
        CHECK(!heap_owns(heap, start) && !heap_owns(heap, start + room - 1) && !heap_find(heap, start + room / 2, &found));
    own->block.start = NULL;
}

static void resize(int i, size_t room)
{
    struct living *own = &blocks[i];
    struct heap_block block = own->block;
    if (!heap_resize(heap, &block, room)) {
        CHECK(memcmp(&block, &own->block, sizeof block) == 0);
        CHECK(room > own->block.room || port.fail_at != 0, "shrinking where it is never fails");
        return;
    }
    CHECK(block.room >= room && block.start == own->block.start && block.tag == own->block.tag);
    size_t both = block.room < own->block.room ? block.room : own->block.room;
    own->block.room = both;
    CHECK(filled(own), "contents kept");
    own->block = block;
    own->asked = room == 0 ? 1 : room;
    memset(block.start, own->fill, block.room);
}

static size_t random_room(uint64_t *seed)
{
    switch (unit_random(seed) % 16) {
    case 0: return unit_random(seed) % 3000000;
    case 1: return unit_random(seed) % 300000;
    case 2: case 3: return unit_random(seed) % 20000;
    case 4: return (size_t)1 << unit_random(seed) % 21;
    default: return unit_random(seed) % 1200;
    }
}

static void consistent(int step)
{
    unsigned broken = heap_consistent(heap, port_say, NULL);
    CHECK(broken == 0, "step %d", step);
}

static void run(const char *name, uint64_t *seed, int steps, bool failures)
{
    struct heap_hooks hooks = port_hooks;
    hooks.region_opened = opened;
    hooks.region_closed = closed;
    hooks.protect = unit_random(seed) % 2 ? port_protect : NULL;
    memset(&port, 0, sizeof port);
    memset(blocks, 0, sizeof blocks);
    n_regions = 0;
    port_magazine_word = NULL;
    heap = heap_create(&config, &hooks);
    CHECK(heap != NULL, "%s", name);
    unsigned failures_before = unit_failures;
    for (int step = 0; step < steps && unit_failures == failures_before; step++) {
        int i = (int)(unit_random(seed) % (unsigned)(step / 200 % 2 ? BLOCKS : BLOCKS / 4));
        port_no_magazines = unit_random(seed) % 16 == 0;
        if (failures && unit_random(seed) % 4 == 0) {
            port.fail_at = port.calls + 1 + unit_random(seed) % 5;
            port.fail_rest = unit_random(seed) % 2;
        }
        port.refuse = failures && unit_random(seed) % 16 == 0;
        if (blocks[i].block.start == NULL) {
            size_t align = unit_random(seed) % 6 == 0 ? (size_t)1 << unit_random(seed) % (unit_random(seed) % 8 == 0 ? 22 : 13) : 1;
            take(i, random_room(seed), align, seed);
        } else if (unit_random(seed) % 4 == 0) {
            size_t room = blocks[i].block.room;
            resize(i, unit_random(seed) % 2 ? unit_random(seed) % (room + 1) : room + unit_random(seed) % (room + 1));
        } else {
            check_find(&blocks[i], seed);
            give(i);
        }
        port.fail_at = 0;
        port.fail_rest = port.refuse = false;
        struct heap_block found;
        if (heap_find(heap, (void *)(uintptr_t)unit_random(seed), &found))
            CHECK(found.region != NULL);
        if (n_regions != 0) {       /* an address somewhere in a region, in use or not */
            const struct heap_region *region = regions[unit_random(seed) % n_regions];
            char *address = region->base + unit_random(seed) % region->bytes;
            if (heap_find(heap, address, &found))
                CHECK(found.region == region && found.start <= address && address < found.start + found.room, "%s", name);
            CHECK(heap_owns(heap, address));
        }
        if (step % 16 == 0)
            consistent(step);
        if (step % 100 == 0) {
            read_records();
            figures();
        }
        if (step % 1500 == 1499) {
            port_no_magazines = false;
            heap_trim(heap);
            consistent(step);
            figures();
        }
    }
    port_no_magazines = false;
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].block.start != NULL)
            give(i);
    consistent(steps);
    figures();
    heap_trim(heap);
    struct heap_engine_stats stats[HEAP_ENGINES];
    heap_stats(heap, stats);
    CHECK(stats[HEAP_AUTO].mapped == 0 && n_regions == 0, "%s: %lu bytes mapped and %zu regions open when all is freed", name, stats[HEAP_AUTO].mapped, n_regions);
    CHECK(port_magazine_word == NULL && port_held == 0);
    CHECK(heap->meta.list.used_bytes == 0, "%s: %zu bytes of bookkeeping in use when all is freed", name, heap->meta.list.used_bytes);
    consistent(steps);
    if (unit_failures != failures_before)
        fprintf(stderr, "in configuration %s\n", name);
    port.mapped = 0;        /* a heap is not taken down */
}

static void bad_requests(void)
{
    struct heap_block block = {.start = (char *)1};
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX - 4095, (size_t)1 << 62};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(!heap_alloc(heap, sizes[i], 16, &block) && block.start == (char *)1, "%zx", sizes[i]);
        CHECK(!heap_alloc(heap, 16, sizes[i], &block) || sizes[i] <= (size_t)1 << 62, "alignment %zx", sizes[i]);
        CHECK(!heap_alloc(heap, sizes[i], (size_t)1 << 62, &block));
    }
    CHECK(!heap_alloc(heap, 100, 48, &block) && !heap_alloc_placed(heap, 100, 48, &block), "48 is no power of two");
    CHECK(!heap_alloc_placed(heap, SIZE_MAX, 16, &block) && heap_alloc_placed(heap, 0, 0, &block));
    heap_free(heap, &block);
    for (unsigned shift = 0; shift < 64; shift++)       /* every alignment is given or refused, and never overflows */
        if (heap_alloc(heap, 100, (size_t)1 << shift, &block)) {
            CHECK(((uintptr_t)block.start + config.phase) % ((size_t)1 << shift) == 0);
            CHECK(!heap_resize(heap, &block, SIZE_MAX) && !heap_resize(heap, &block, (size_t)PTRDIFF_MAX));
            heap_free(heap, &block);
        }
    consistent(-1);
}

static void bad_configurations(void)
{
    static const struct heap_config bad[] = {
        {.page_size = 0}, {.page_size = 1000}, {.page_size = 2048}, {.page_size = 4096, .tag_bytes = 4}, {.page_size = 4096, .phase = 8},
        {.page_size = 4096, .phase = 4096}, {.page_size = 4096, .engine = HEAP_ENGINES}, {.page_size = 4096, .fit = 7},
        {.page_size = 4096, .arena_bytes = 4096}, {.page_size = 4096, .arena_bytes = 3 << 20}, {.page_size = 4096, .tag_bytes = 8192},
        {.page_size = 4096, .tag_bytes = 24, .slab_tag_bytes = 12}, {.page_size = 4096, .tag_bytes = 24, .slab_tag_bytes = 32},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(heap_create(&bad[i], &port_hooks) == NULL, "configuration %zu", i);
}

/* The Nth call of alloc_pages fails, N = 1, 2, 3 …, while a heap comes up and serves each engine once. */
static void every_failure(void)
{
    static const size_t rooms[] = {80, 5000, 200000, 3000000};
    for (size_t nth = 1; nth < 40; nth++) {
        memset(&port, 0, sizeof port);
        n_regions = 0;
        port_magazine_word = NULL;
        port.fail_at = nth;
        struct heap_hooks hooks = port_hooks;
        hooks.region_opened = opened;
        hooks.region_closed = closed;
        heap = heap_create(&config, &hooks);
        CHECK((heap == NULL) == (nth == 1));
        if (heap == NULL)
            continue;
        struct heap_block got[4];
        bool served[4];
        for (int i = 0; i < 4; i++) {
            served[i] = heap_alloc(heap, rooms[i], 16, &got[i]);
            consistent((int)nth);
            if (!served[i]) {
                served[i] = heap_alloc(heap, rooms[i], 16, &got[i]);
                CHECK(served[i], "one failure is not for ever: call %zu, room %zu", nth, rooms[i]);
            }
        }
        for (int i = 0; i < 4; i++)
            if (served[i])
                heap_free(heap, &got[i]);
        heap_trim(heap);
        consistent((int)nth);
        CHECK(n_regions == 0);
    }
}

/* Three MiB is all there is: requests fail in the end, and everything can be freed. */
static void little_memory(uint64_t *seed)
{
    memset(&port, 0, sizeof port);
    memset(blocks, 0, sizeof blocks);
    n_regions = 0;
    port_magazine_word = NULL;
    port.limit = (size_t)3 << 20;
    struct heap_hooks hooks = port_hooks;
    hooks.region_opened = opened;
    hooks.region_closed = closed;
    heap = heap_create(&config, &hooks);
    CHECK(heap != NULL);
    size_t got = 0;
    for (int i = 0; i < BLOCKS; i++) {
        take(i, 1000 + unit_random(seed) % 100, 16, seed);
        got += blocks[i].block.start != NULL ? blocks[i].asked : 0;
    }
    CHECK(got > 400000, "%zu bytes served out of 3 MiB", got);
    consistent(0);
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].block.start != NULL)
            give(i);
    heap_trim(heap);
    consistent(0);
    CHECK(n_regions == 0);
}

/* Memory that is freed does not wait in magazines and arenas: little stays mapped, without a trim. */
static void given_back(void)
{
    static char *starts[100000];
    static const struct { size_t room, n; enum heap_engine engine; size_t most; } kinds[] = {
        {80, 100000, HEAP_SLAB, 1 << 20}, {2000, 20000, HEAP_SLAB, 2 << 20}, {5000, 20000, HEAP_FREELIST, 4 << 20}, {200000, 400, HEAP_BUDDY, 4 << 20},
    };
    memset(&port, 0, sizeof port);
    port_magazine_word = NULL;
    heap = heap_create(&config, &port_hooks);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct heap_block block;
        for (size_t i = 0; i < kinds[k].n; i++) {
            CHECK(heap_alloc(heap, kinds[k].room, 16, &block) && block.region->engine == kinds[k].engine);
            starts[i] = block.start;
        }
        for (size_t i = 0; i < kinds[k].n; i++) {
            CHECK(heap_find(heap, starts[i], &block) && block.start == starts[i]);
            heap_free(heap, &block);
        }
        struct heap_engine_stats stats[HEAP_ENGINES];
        heap_stats(heap, stats);
        CHECK(stats[kinds[k].engine].blocks == 0 && stats[kinds[k].engine].mapped <= kinds[k].most, "room %zu: %lu bytes stay mapped", kinds[k].room,
              stats[kinds[k].engine].mapped);
        CHECK(stats[HEAP_AUTO].mapped <= (size_t)160 << 20, "%lu bytes of pages stay mapped", stats[HEAP_AUTO].mapped);
    }
    consistent(0);
}

/* A thread that takes some hundred blocks and gives them back, again and again, takes no lock for it. */
static void without_lock(void)
{
    enum { TAKEN = 384 };
    static struct heap_block held[TAKEN];
    memset(&port, 0, sizeof port);
    port_magazine_word = NULL;
    heap = heap_create(&config, &port_hooks);
    for (int round = 0; round < 4; round++) {
        size_t before = port_locks;
        for (int i = 0; i < TAKEN; i++)
            CHECK(heap_alloc(heap, 64, 16, &held[i]));
        for (int i = 0; i < TAKEN; i++)
            heap_free(heap, &held[i]);
        CHECK(round == 0 || port_locks == before, "round %d: %zu locks", round, port_locks - before);
    }
    consistent(0);
    heap_thread_end(heap);
    consistent(0);
}

int main(void)
{
    uint64_t seed = unit_seed("heap_model");
    static const char *const fits[] = {"tlsf", "first", "next", "best", "worst"};
    config = (struct heap_config){.page_size = 4096, .tag_bytes = 24, .phase = 16};
    run("auto", &seed, 6000, false);
    bad_requests();
    run("auto, with failures", &seed, 6000, true);
    config = (struct heap_config){.page_size = 4096, .tag_bytes = 24, .phase = 0, .arena_bytes = 1 << 20, .apart = true};
    run("auto, arenas of 1 MiB", &seed, 4000, true);
    config = (struct heap_config){.page_size = 4096, .tag_bytes = 24, .slab_tag_bytes = 16, .apart = true};
    run("auto, slabs with smaller tags", &seed, 4000, true);
    config = (struct heap_config){.page_size = 16384, .tag_bytes = 32, .phase = 48};
    run("auto, pages of 16 KiB", &seed, 3000, true);
    config = (struct heap_config){.page_size = 4096, .tag_bytes = 0, .phase = 16};
    run("auto, no tags", &seed, 3000, false);
    for (enum heap_engine engine = HEAP_SLAB; engine <= HEAP_HUGE; engine++) {
        static const char *const names[] = {"auto", "slab", "freelist", "buddy", "huge"};
        config = (struct heap_config){.page_size = 4096, .tag_bytes = 24, .phase = 16, .engine = engine, .apart = true};
        run(names[engine], &seed, 3000, engine != HEAP_HUGE);
        bad_requests();
    }
    for (enum heap_fit fit = HEAP_FIT_TLSF; fit <= HEAP_FIT_WORST; fit++) {
        config = (struct heap_config){.page_size = 4096, .tag_bytes = 24, .phase = 16, .engine = HEAP_FREELIST, .fit = fit};
        run(fits[fit], &seed, 2500, true);
    }
    bad_configurations();
    config = (struct heap_config){.page_size = 4096, .tag_bytes = 24, .phase = 16};
    every_failure();
    given_back();
    without_lock();
    little_memory(&seed);
    return unit_result("heap_model");
}
