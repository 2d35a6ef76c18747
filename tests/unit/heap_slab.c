/* Slab caches alone: bits, lists, constructor, look-up, figures, closing; against a model of which slots are out. */
#include "heap_port.h"

#include "heap/slab.h"

static struct meta meta;
static struct pages pages;
static struct slab_source source;

#define MOST 20000
static slab_round out[MOST];
static uint32_t n_out;
static size_t constructed, asked_sum;

static char *made[MOST];         /* constructed objects in slabs that are open */
static size_t n_made;

static void construct(void *ctx, void *object, size_t bytes)
{
    (void)ctx;
    for (size_t i = 0; i < n_made; i++)
        CHECK(made[i] != object, "an object is constructed twice");
    CHECK(n_made < MOST);
    made[n_made++] = object;
    memset(object, 0xc5, bytes);
    constructed++;
}

static void forget_made(void *ctx, struct heap_region *region)
{
    port_closed(ctx, region);
    for (size_t i = n_made; i > 0; i--)
        if (made[i - 1] >= region->base && made[i - 1] < region->base + region->bytes)
            made[i - 1] = made[--n_made];
}

static void check_all(struct slab_cache *cache)
{
    struct check check = port_check();
    slab_consistent(cache, &check);
    pages_consistent(&pages, &check);
    meta_consistent(&meta, &check);
}

static void check_figures(struct slab_cache *cache)
{
    struct heap_engine_stats stats = {0};
    slab_stats(cache, &stats);
    CHECK(stats.blocks == n_out, "%lu blocks, model has %u", stats.blocks, n_out);
    CHECK(stats.requested == asked_sum, "%lu requested, model has %zu", stats.requested, asked_sum);
    CHECK(stats.occupied == (uint64_t)n_out * cache->stride);
    CHECK(stats.mapped == (uint64_t)cache->slabs * cache->run_bytes && stats.free_bytes == stats.mapped - stats.occupied);
    CHECK(stats.largest_free % cache->stride == 0 && stats.largest_free <= stats.free_bytes);
    /* The longest row of free slots, looked at from outside: by the state of every address. */
    uint64_t longest = 0;
    const struct slab *lists[] = {cache->partial, cache->full, cache->empty};
    for (int i = 0; i < 3; i++)
        for (const struct slab *slab = lists[i]; slab != NULL; slab = slab->next) {
            uint64_t row = 0;
            for (const char *at = slab->region.base; at < slab->region.base + slab->region.bytes; at += cache->stride) {
                struct heap_block block;
                CHECK(slab_find((struct slab *)slab, at, 24, &block));
                row = block.used ? 0 : row + cache->stride;
                longest = row > longest ? row : longest;
            }
        }
    CHECK(stats.largest_free == longest, "largest free %lu, model %lu", stats.largest_free, longest);
}

static void against_model(uint32_t stride, uint64_t *seed, bool with_constructor)
{
    static struct slab_cache cache;
    slab_cache_init(&cache, &source, stride, 0);
    if (with_constructor) {
        cache.construct = construct;
    }
    constructed = asked_sum = n_out = 0;
    n_made = 0;
    size_t align = slab_align(stride, 4096);
    CHECK(cache.slots >= 8 && cache.slots < 32768 && cache.offset + (size_t)cache.slots * stride <= cache.run_bytes);
    size_t most = 0;
    for (int step = 0; step < 400; step++) {
        bool taking = step < 40 || unit_random(seed) % 100 < (step % 100 < 50 ? 65 : 35);
        uint32_t n = (uint32_t)(unit_random(seed) % 64) + 1;
        if (taking && n_out + n <= MOST) {
            uint32_t got = slab_take(&cache, out + n_out, n);
            CHECK(got >= 1 && got <= n);
            for (uint32_t i = 0; i < got; i++, n_out++) {
                struct slab *slab = round_slab(out[n_out]);
                uint32_t slot = round_slot(out[n_out]);
                char *address = slab_address(slab, slot);
                CHECK(((uintptr_t)address + 16) % align == 0, "stride %u: %p", stride, (void *)address);
                CHECK(slab_state(slab, slot) == 0 && bit_get(slab->taken, slot));
                uint32_t asked = (uint32_t)(unit_random(seed) % stride) + 1;
                slab_set_state(slab, slot, stride - asked + 1);
                asked_sum += asked;
                struct heap_block block;
                CHECK(slab_find(slab, address + unit_random(seed) % stride, 24, &block));
                CHECK(block.start == address && block.room == stride && block.slot == slot && block.used && block.region == &slab->region);
                CHECK((char *)block.tag == (char *)slab->region.tags + slot * 24);
                if (with_constructor)
                    CHECK((unsigned char)address[0] == 0xc5 && (unsigned char)address[stride - 1] == 0xc5, "constructed, and kept while free");
                else if (round_is_fresh(out[n_out]))
                    for (uint32_t j = 0; j < stride; j++)
                        CHECK(address[j] == 0);
                if (!with_constructor)
                    memset(address, (int)(n_out % 255) + 1, stride);
            }
        } else if (!taking) {
            for (uint32_t i = 0; i < n && n_out != 0; i++) {
                uint32_t at = (uint32_t)(unit_random(seed) % n_out);
                struct slab *slab = round_slab(out[at]);
                asked_sum -= stride - (slab_state(slab, round_slot(out[at])) - 1);
                slab_set_state(slab, round_slot(out[at]), 0);
                slab_round round = round_make(slab, round_slot(out[at]));
                slab_give(&cache, &round, 1);
                out[at] = out[--n_out];
            }
        }
        most = n_out > most ? n_out : most;
        check_all(&cache);
        check_figures(&cache);
    }
    CHECK(!with_constructor || constructed >= most);
    CHECK(cache.slabs >= 1 && (size_t)cache.slabs * cache.slots < 3 * most + 4 * cache.slots);
    while (n_out != 0) {
        slab_round round = out[--n_out];
        slab_set_state(round_slab(round), round_slot(round), 0);
        slab_give(&cache, &round, 1);
        slab_give(&cache, &round, 1);       /* the second time it is not out, and is passed over */
    }
    check_all(&cache);
    CHECK(cache.slabs == cache.empties && cache.empties <= 1 && cache.partial == NULL && cache.full == NULL);
    slab_close_empties(&cache, 0);
    CHECK(cache.slabs == 0 && cache.empty == NULL);
    check_all(&cache);
    CHECK(pages.held_bytes == pages.free_bytes);
}

/* Division by multiplication: exact for every offset of every stride. */
static void slots_of_offsets(void)
{
    for (uint32_t stride = 16; stride <= SLAB_STRIDE_MAX; stride += stride < 512 ? 16 : 2032) {
        uint32_t reciprocal = (uint32_t)(((uint64_t)1 << 31) / (stride / 16) + 1);
        for (uint32_t offset = 0; offset < 1u << 20; offset += offset % stride == stride - 1 || offset % stride == 0 ? 1 : stride > 64 ? stride - 2 : 7)
            if (slab_slot_of(offset, reciprocal) != offset / stride) {
                CHECK(false, "offset %u, stride %u: %u", offset, stride, slab_slot_of(offset, reciprocal));
                return;
            }
    }
}

static void out_of_memory(void)
{
    static struct slab_cache cache;
    slab_cache_init(&cache, &source, 48, 0);
    slab_round round;
    pages_trim(&pages);
    for (size_t nth = 1; nth <= 8; nth++) {
        size_t opened = port.opened, closed = port.closed;
        port.fail_at = port.calls + nth;
        port.fail_rest = true;
        uint32_t got = slab_take(&cache, &round, 1);
        port.fail_at = 0;
        port.fail_rest = false;
        check_all(&cache);
        CHECK(port.opened - opened == got && port.closed == closed);
        if (got == 1) {
            slab_give(&cache, &round, 1);
            slab_close_empties(&cache, 0);
            pages_trim(&pages);
        } else {
            CHECK(cache.slabs == 0 && pages.held_bytes == pages.free_bytes, "nothing is kept by an attempt that failed");
        }
    }
}

int main(void)
{
    uint64_t seed = unit_seed("heap_slab");
    static struct heap_hooks hooks;
    hooks = port_hooks;
    hooks.region_closed = forget_made;
    meta_init(&meta, &hooks, 4096, 44);
    pages_init(&pages, &hooks, &meta, 4096, 4 << 20, 40);
    slab_source_init(&source, &hooks, &meta, &pages, 24, 16, 1 << 20);
    slots_of_offsets();
    static const uint32_t strides[] = {16, 64, 80, 240, 256, 640, 1024, 4096, 32768};
    for (size_t i = 0; i < sizeof strides / sizeof *strides; i++)
        against_model(strides[i], &seed, false);
    against_model(96, &seed, true);
    out_of_memory();
    CHECK(port.opened == port.closed && port.opened > 20, "%zu opened, %zu closed", port.opened, port.closed);
    return unit_result("heap_slab");
}
