/* The leak check against a model of it: random heaps, classified by report/ and by the plainest reading of the definitions.
 *
 * The model looks blocks up by walking a list, marks with one flag per block until nothing changes, and takes leaders in address
 * order. Every block has a stack of its own, so that the records can be compared block by block: kind, bytes, and what is lost
 * with it. Heaps mix uniform and placed regions, holes, dead and quarantined blocks, zero sizes, empty arrays; words are pointers
 * to starts, insides, ends and near misses; a thread's stack has a dead part. */
#include <string.h>

#include "fake_image.h"
#include "report/leaks.h"
#include "unit.h"

#define MOST 600

struct block {
    uint64_t address, size;
    bool live, own, empty_array;
    uint8_t allocator;
    uint32_t stack;
    uint64_t telling;           /* offset at which an interior-pointer may be excused; 0: none */
    /* the model's */
    bool reached, possible, indirect;
    size_t leader;
    uint64_t indirect_bytes, indirect_blocks;
    /* the engine's */
    int kind;
    uint64_t got_bytes, got_indirect_bytes, got_indirect_blocks;
};

struct world {
    struct fake *fake;
    struct block blocks[MOST];
    size_t n;
    uint64_t roots[256];        /* words that the model takes for roots */
    size_t n_roots;
    uint64_t vtables[2], text;  /* in a file's mapping; code that they point to */
    uint64_t density;           /* of a hundred words in blocks, how many are meant to be pointers */
    uint64_t seed;
};

static uint64_t pick(struct world *world, uint64_t n)
{
    return unit_random(&world->seed) % n;
}

/* ---- building ---- */

static void store_record(struct world *world, uint64_t at, struct block *block, bool placed)
{
    static const unsigned dead[] = {RECORD_BLOCK_EMPTY, RECORD_BLOCK_QUARANTINED, RECORD_BLOCK_FREE, RECORD_BLOCK_BUSY};
    struct record_block record = {
        .head = record_head(block->size, block->allocator, block->own ? RECORD_FLAG_OWN : 0,
                            block->live ? RECORD_BLOCK_LIVE : dead[pick(world, 4)]),
        .alloc_stack = block->stack,
    };
    if (placed) {
        struct record_placed both = {block->address, record};
        memcpy(fake_at(world->fake, at, sizeof both), &both, sizeof both);
    } else {
        memcpy(fake_at(world->fake, at, sizeof record), &record, sizeof record);
    }
}

static struct block *new_block(struct world *world, uint64_t address, uint64_t most)
{
    struct block *block = &world->blocks[world->n++];
    uint64_t pc = 0x1000 + 16 * world->n;
    *block = (struct block){.address = address, .kind = -1};
    block->size = pick(world, 8) ? pick(world, most + 1) : pick(world, 3) * 4;
    block->live = pick(world, 5) != 0;
    block->own = pick(world, 40) == 0;
    block->allocator = RECORD_BY_MALLOC;
    if (pick(world, 20) == 0 && most >= 8) {    /* what new T[0] leaves */
        block->size = 8;
        block->allocator = RECORD_BY_NEW_ARRAY;
        block->empty_array = true;
    }
    block->stack = fake_stack(world->fake, 0, &pc, 1);
    return block;
}

static void add_uniform(struct world *world)
{
    uint32_t stride = 16 * (uint32_t)(2 + pick(world, 12)), slots = 1 + (uint32_t)pick(world, 130), user = 16 * (uint32_t)pick(world, 2);
    uint64_t records, base = fake_uniform(world->fake, stride, slots, user, &records);
    for (uint32_t i = 0; i < slots && world->n < MOST; i++) {
        struct block *block = new_block(world, base + (uint64_t)i * stride + user, stride - user);
        store_record(world, records + i * sizeof(struct record_block), block, false);
    }
}

static void add_placed(struct world *world)
{
    uint32_t slots = 1 + (uint32_t)pick(world, 60);
    size_t bytes = 65536;
    uint64_t records, base = fake_placed(world->fake, bytes, slots, &records), at = base + 16 * pick(world, 4);
    uint32_t order[64];
    for (uint32_t i = 0; i < slots; i++)        /* records are not in address order */
        order[i] = i;
    for (uint32_t i = slots; i > 1; i--) {
        uint32_t k = (uint32_t)pick(world, i), swap = order[k];
        order[k] = order[i - 1];
        order[i - 1] = swap;
    }
    for (uint32_t i = 0; i < slots && world->n < MOST; i++) {
        struct block *block = new_block(world, at, 400);
        if (at + block->size + 64 > base + bytes) {
            world->n--;
            break;
        }
        store_record(world, records + order[i] * sizeof(struct record_placed), block, true);
        at += (block->size + 1 + pick(world, 64) + 15) & ~15ull;
        at += pick(world, 6) == 0 ? 1 + pick(world, 7) : 0;     /* blocks without alignment too */
    }
}

/* A word that may or may not point into some block. */
static uint64_t some_word(struct world *world)
{
    const struct block *block = &world->blocks[pick(world, world->n)];
    if (block->telling && pick(world, 2))
        return block->address + block->telling;
    switch (pick(world, 12)) {
    case 0: return pick(world, UINT64_MAX);
    case 1: return block->address + block->size;
    case 2: return block->address - 1 - pick(world, 8);
    case 3: return block->address + pick(world, block->size + 1);
    case 4: return block->address + 8;
    case 5: return block->address + 24;
    case 6: return block->address + 8 * pick(world, block->size / 8 + 1);
    default: return block->address;
    }
}

static uint64_t *words_of(struct world *world, const struct block *block, size_t *n)
{
    uint64_t start = (block->address + 7) & ~7ull, end = (block->address + block->size) & ~7ull;
    *n = end > start ? (size_t)(end - start) / 8 : 0;
    return *n ? fake_at(world->fake, start, end - start) : NULL;
}

/* Shapes that the heuristics look for, now right, now almost. */
static void shape(struct world *world, struct block *block, uint64_t *words, size_t n)
{
    switch (pick(world, 4)) {
    case 0:     /* std::string */
        if (n < 4)
            return;
        words[1] = block->size - 25 + (pick(world, 4) == 0);
        words[0] = pick(world, words[1] + 2);
        block->telling = 24;
        return;
    case 1:     /* length in front */
        words[0] = block->size - 8 + (pick(world, 3) == 0);
        block->telling = 8;
        return;
    case 2:     /* new[] */
        words[0] = 2 + pick(world, 6);
        block->telling = 8;
        return;
    case 3:     /* two vtables */
        block->telling = 8 * pick(world, n);
        words[block->telling / 8] = world->vtables[pick(world, 2)] + 8 * pick(world, 4);
        words[0] = world->vtables[0];
        return;
    }
}

static void add_memory(struct world *world)
{
    for (size_t i = 0; i < world->n; i++) {
        size_t n;
        struct block *block = &world->blocks[i];
        uint64_t *words = words_of(world, block, &n);
        for (size_t k = 0; k < n; k++)
            words[k] = pick(world, 100) < world->density ? some_word(world) : pick(world, 1000);
        if (block->empty_array) {
            fake_store(world->fake, block->address, pick(world, 4) == 0);
            block->telling = 8;
        } else if (n && pick(world, 3) == 0) {
            shape(world, block, words, n);
        }
    }
}

static void root(struct world *world, uint64_t at)
{
    if (world->n_roots == sizeof world->roots / sizeof *world->roots)
        return;
    world->roots[world->n_roots] = some_word(world);
    fake_store(world->fake, at, world->roots[world->n_roots++]);
}

static void add_roots(struct world *world)
{
    struct fake *fake = world->fake;
    size_t n = 1 + pick(world, world->n / 6 + 1);  /* at most 101 */
    uint64_t data = fake_map(fake, 8192, IMAGE_READ | IMAGE_WRITE, "/bin/program");
    for (size_t i = 0; i < n; i++)
        root(world, data + 64 * i + 8 * pick(world, 8));
    /* Words there that no root reads: memory that is not writable, a device, below a stack pointer. */
    uint64_t constant = fake_map(fake, 4096, IMAGE_READ, "/bin/program"), device = fake_map(fake, 4096, IMAGE_READ | IMAGE_WRITE, "/dev/dri/card0");
    for (int i = 0; i < 8; i++) {
        fake_store(fake, constant + 8u * (unsigned)i, some_word(world));
        fake_store(fake, device + 8u * (unsigned)i, some_word(world));
    }
    uint64_t stack = fake_map(fake, 16384, IMAGE_READ | IMAGE_WRITE, "[stack]");
    struct record_thread thread = {.tid = 1, .state = RECORD_THREAD_PARKED, .start_sp = stack + 16000, .stack_low = stack + 8000};
    for (int i = 0; i < 20; i++)
        fake_store(fake, stack + 8 * pick(world, 1000), some_word(world));
    for (int i = 0; i < 6; i++)
        root(world, stack + 8000 + 1024 * (unsigned)i + 8 * pick(world, 128));
    thread.n_registers = 3;
    for (uint32_t i = 0; i < 3; i++)
        world->roots[world->n_roots++] = thread.registers[i] = some_word(world);
    fake_entry(fake, RECORD_TABLE_THREADS, &thread);
}

static void add_code(struct world *world)
{
    world->text = fake_map(world->fake, 4096, IMAGE_READ | IMAGE_EXECUTE, "/lib/libcode.so");
    uint64_t tables = fake_map(world->fake, 4096, IMAGE_READ, "/lib/libcode.so");
    for (int i = 0; i < 2; i++) {
        world->vtables[i] = tables + 512 * (unsigned)i;
        for (unsigned k = 0; k < 6; k++)
            fake_store(world->fake, world->vtables[i] + 8 * k, k % 3 ? world->text + 64 * k : 0);
    }
}

/* ---- the model ---- */

static uint64_t word_at(struct world *world, uint64_t address)
{
    uint64_t word = 0, *at = fake_at(world->fake, address, sizeof word);
    if (at)
        memcpy(&word, at, sizeof word);
    return word;
}

static struct block *pointed_to(struct world *world, uint64_t word, uint64_t *offset)
{
    for (size_t i = 0; i < world->n; i++) {
        struct block *block = &world->blocks[i];
        if (!block->live || word < block->address)
            continue;
        *offset = word - block->address;
        if (*offset < (block->size ? block->size : 1))
            return block;
        if (block->empty_array && *offset == 8 && word_at(world, block->address) == 0) {
            *offset = 0;
            return block;
        }
    }
    return NULL;
}

static bool looks_like_vtable(struct world *world, uint64_t address)
{
    /* Those made by add_code: zero, code, code, zero, code, code; from the first five, two code addresses follow. */
    for (int i = 0; i < 2; i++)
        for (unsigned k = 0; k < 5; k++)
            if (address == world->vtables[i] + 8 * k)
                return true;
    return false;
}

static bool excused(struct world *world, const struct block *block, uint64_t offset)
{
    uint64_t first = word_at(world, block->address), second = word_at(world, block->address + 8), size = block->size;
    if ((block->address + offset) % 8 || offset % 8)
        return false;
    if (offset == 24 && size >= 24 && first <= second && 24 + second + 1 == size)
        return true;
    if (offset == 8 && size >= 8 && first && (size - 8 == first || (size - 8) % first == 0))
        return true;
    uint64_t inner = word_at(world, block->address + offset);
    return offset + 8 <= size && inner != first && looks_like_vtable(world, first) && looks_like_vtable(world, inner);
}

static bool hold(struct world *world, uint64_t word, bool strong)
{
    uint64_t offset;
    struct block *block = pointed_to(world, word, &offset);
    if (!block)
        return false;
    strong = strong && (offset == 0 || excused(world, block, offset));
    if (strong ? block->reached : block->reached || block->possible)
        return false;
    *(strong ? &block->reached : &block->possible) = true;
    return true;
}

static void gather(struct world *world, size_t leader, struct block *from)
{
    size_t n;
    const uint64_t *words = words_of(world, from, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t offset;
        struct block *to = pointed_to(world, words[i], &offset);
        if (!to || to == &world->blocks[leader] || to->reached || to->possible || to->indirect || to->own)
            continue;
        to->indirect = true;
        world->blocks[leader].indirect_bytes += to->size + to->indirect_bytes;
        world->blocks[leader].indirect_blocks += 1 + to->indirect_blocks;
        gather(world, leader, to);
    }
}

static int by_address(const void *left, const void *right)
{
    const struct block *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

static void classify(struct world *world)
{
    qsort(world->blocks, world->n, sizeof *world->blocks, by_address);
    for (size_t i = 0; i < world->n; i++)
        world->blocks[i].reached = world->blocks[i].live && world->blocks[i].own;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < world->n_roots; i++)
            changed |= hold(world, world->roots[i], true);
        for (size_t i = 0; i < world->n; i++) {
            struct block *block = &world->blocks[i];
            size_t n;
            const uint64_t *words = words_of(world, block, &n);
            if (block->live && (block->reached || block->possible))
                for (size_t k = 0; k < n; k++)
                    changed |= hold(world, words[k], block->reached);
        }
    }
    for (size_t i = 0; i < world->n; i++) {
        struct block *block = &world->blocks[i];
        if (block->live && !block->reached && !block->possible && !block->indirect)
            gather(world, i, block);
    }
}

/* ---- the comparison ---- */

static void compare(struct world *world, uint64_t seed, unsigned threads)
{
    struct error error = {""};
    struct image *image = fake_open(world->fake);
    struct records *records = records_open(image, seed & 1 ? world->fake->anchor : 0, &error);
    CHECK(records, "seed %llu: %s", (unsigned long long)seed, error.text);
    if (!records)
        return;
    struct leaks_options options = {.threads = threads};
    struct leaks *leaks = leaks_check(records, &options, &error);
    CHECK(leaks, "seed %llu: %s", (unsigned long long)seed, error.text);
    CHECK(records->n_problems == 0 || strstr(records->problems[0], "being allocated or freed"), "%s", records->problems[0]);
    for (size_t i = 0; leaks && i < leaks->n_records; i++) {
        const struct leak_record *record = &leaks->records[i];
        struct block *block = NULL;
        for (size_t k = 0; k < world->n; k++)
            if (world->blocks[k].stack == record->stack)
                block = &world->blocks[k];
        CHECK(block && block->kind < 0 && record->blocks == 1, "record %zu", i);
        if (!block)
            continue;
        block->kind = (int)record->kind;
        block->got_bytes = record->bytes;
        block->got_indirect_bytes = record->indirect_bytes;
        block->got_indirect_blocks = record->indirect_blocks;
        CHECK(record->example == block->address, "example");
    }
    for (size_t i = 0; i < world->n; i++) {
        const struct block *block = &world->blocks[i];
        int wanted = !block->live || block->own ? -1 : block->reached ? LEAK_REACHABLE : block->possible ? LEAK_POSSIBLE
                   : block->indirect ? LEAK_INDIRECT : LEAK_DEFINITE;
        CHECK(block->kind == wanted, "seed %llu: block %zu at 0x%llx of %llu is %d, should be %d", (unsigned long long)seed, i,
              (unsigned long long)block->address, (unsigned long long)block->size, block->kind, wanted);
        if (block->kind < 0)
            continue;
        CHECK(block->got_bytes == block->size, "seed %llu: bytes", (unsigned long long)seed);
        if (wanted == LEAK_DEFINITE)
            CHECK(block->got_indirect_bytes == block->indirect_bytes && block->got_indirect_blocks == block->indirect_blocks,
                  "seed %llu: block %zu leads to %llu in %llu, should be %llu in %llu", (unsigned long long)seed, i,
                  (unsigned long long)block->got_indirect_bytes, (unsigned long long)block->got_indirect_blocks,
                  (unsigned long long)block->indirect_bytes, (unsigned long long)block->indirect_blocks);
    }
    leaks_free(leaks);
    records_close(records);
    image_close(image);
}

int main(void)
{
    uint64_t seed = unit_seed("report_leaks");
    for (unsigned round = 0; round < 400 && !unit_failures; round++, seed++) {
        static struct world world;
        world = (struct world){.seed = seed, .fake = fake_new()};
        world.density = pick(&world, 3) ? 1 + pick(&world, 6) : pick(&world, 40);
        add_code(&world);
        unsigned regions = 1 + (unsigned)pick(&world, 8);
        for (unsigned i = 0; i < regions; i++)
            (pick(&world, 2) ? add_uniform : add_placed)(&world);
        add_memory(&world);
        add_roots(&world);
        classify(&world);
        compare(&world, seed, 1 + round % 3);
        fake_free(world.fake);
    }
    return unit_result("report_leaks");
}
