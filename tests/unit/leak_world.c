/* See leak_world.h. */
#include "leak_world.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

uint64_t world_pick(struct world *world, uint64_t n)
{
    return unit_random(&world->seed) % n;
}

/* ---- building ---- */

/* bytes: that a record takes in its region; 0: as in version 1. */
static void store_record(struct world *world, uint64_t at, struct block *block, uint32_t bytes, bool placed)
{
    static const unsigned dead[] = {RECORD_BLOCK_EMPTY, RECORD_BLOCK_QUARANTINED, RECORD_BLOCK_FREE, RECORD_BLOCK_BUSY};
    struct record_block record = {
        .head = record_head(block->size, block->allocator, block->own ? RECORD_FLAG_OWN : 0,
                            block->live ? RECORD_BLOCK_LIVE : dead[world_pick(world, 4)]),
        .alloc_stack = block->stack,
    };
    if (bytes == sizeof(struct record_lean)) {
        unsigned state = record_head_state(record.head), flags = record_head_flags(record.head);
        struct record_lean lean = {.head = state == RECORD_BLOCK_EMPTY ? 0 : record_head_lean(block->size, 1, block->allocator, flags, state)
                                           | (uint64_t)(state > RECORD_BLOCK_LIVE) * 2 << RECORD_LEAN_FREE_THREAD_SHIFT,
                                   .alloc_stack = block->stack, .sequence = (uint32_t)world->n};
        memcpy(fake_at(world->fake, at, sizeof lean), &lean, sizeof lean);
    } else if (placed) {
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
    block->size = world_pick(world, 8) ? world_pick(world, most + 1) : world_pick(world, 3) * 4;
    block->live = world_pick(world, 5) != 0;
    block->own = world_pick(world, 40) == 0;
    block->allocator = RECORD_BY_MALLOC;
    if (world_pick(world, 20) == 0 && most >= 8) {    /* what new T[0] leaves */
        block->size = 8;
        block->allocator = RECORD_BY_NEW_ARRAY;
        block->empty_array = true;
    }
    block->stack = fake_stack(world->fake, 0, &pc, 1);
    return block;
}

static void add_uniform(struct world *world)
{
    uint32_t stride = 16 * (uint32_t)(2 + world_pick(world, 12)), slots = 1 + (uint32_t)world_pick(world, 130), user = 16 * (uint32_t)world_pick(world, 2);
    static const uint32_t kinds[] = {sizeof(struct record_block), sizeof(struct record_lean), 0};
    uint32_t bytes = kinds[world_pick(world, 3)];
    uint64_t records, base = fake_uniform_of(world->fake, stride, slots, user, bytes, &records);
    for (uint32_t i = 0; i < slots && world->n < MOST; i++) {
        struct block *block = new_block(world, base + (uint64_t)i * stride + user, stride - user);
        store_record(world, records + i * (bytes ? bytes : sizeof(struct record_block)), block, bytes, false);
    }
}

static void add_placed(struct world *world)
{
    uint32_t slots = 1 + (uint32_t)world_pick(world, 60);
    size_t bytes = 65536;
    uint64_t records, base = fake_placed(world->fake, bytes, slots, &records), at = base + 16 * world_pick(world, 4);
    uint32_t order[64];
    for (uint32_t i = 0; i < slots; i++)        /* records are not in address order */
        order[i] = i;
    for (uint32_t i = slots; i > 1; i--) {
        uint32_t k = (uint32_t)world_pick(world, i), swap = order[k];
        order[k] = order[i - 1];
        order[i - 1] = swap;
    }
    for (uint32_t i = 0; i < slots && world->n < MOST; i++) {
        struct block *block = new_block(world, at, 400);
        if (at + block->size + 64 > base + bytes) {
            world->n--;
            break;
        }
        store_record(world, records + order[i] * sizeof(struct record_placed), block, sizeof(struct record_placed), true);
        at += (block->size + 1 + world_pick(world, 64) + 15) & ~15ull;
        at += world_pick(world, 6) == 0 ? 1 + world_pick(world, 7) : 0;     /* blocks without alignment too */
    }
}

/* A word that may or may not point into some block. */
static uint64_t some_word(struct world *world)
{
    const struct block *block = &world->blocks[world_pick(world, world->n)];
    if (block->telling && world_pick(world, 2))
        return block->address + block->telling;
    switch (world_pick(world, 12)) {
    case 0: return world_pick(world, UINT64_MAX);
    case 1: return block->address + block->size;
    case 2: return block->address - 1 - world_pick(world, 8);
    case 3: return block->address + world_pick(world, block->size + 1);
    case 4: return block->address + 8;
    case 5: return block->address + 24;
    case 6: return block->address + 8 * world_pick(world, block->size / 8 + 1);
    default: return block->address;
    }
}

uint64_t *world_words(struct world *world, const struct block *block, size_t *n)
{
    uint64_t start = (block->address + 7) & ~7ull, end = (block->address + block->size) & ~7ull;
    *n = end > start ? (size_t)(end - start) / 8 : 0;
    return *n ? fake_at(world->fake, start, end - start) : NULL;
}

/* Shapes that the heuristics look for, now right, now almost. */
static void shape(struct world *world, struct block *block, uint64_t *words, size_t n)
{
    switch (world_pick(world, 4)) {
    case 0:     /* std::string */
        if (n < 4)
            return;
        words[1] = block->size - 25 + (world_pick(world, 4) == 0);
        words[0] = world_pick(world, words[1] + 2);
        block->telling = 24;
        return;
    case 1:     /* length in front */
        words[0] = block->size - 8 + (world_pick(world, 3) == 0);
        block->telling = 8;
        return;
    case 2:     /* new[] */
        words[0] = 2 + world_pick(world, 6);
        block->telling = 8;
        return;
    case 3:     /* two vtables */
        block->telling = 8 * world_pick(world, n);
        words[block->telling / 8] = world->vtables[world_pick(world, 2)] + 8 * world_pick(world, 4);
        words[0] = world->vtables[0];
        return;
    }
}

static void add_memory(struct world *world)
{
    for (size_t i = 0; i < world->n; i++) {
        size_t n;
        struct block *block = &world->blocks[i];
        uint64_t *words = world_words(world, block, &n);
        for (size_t k = 0; k < n; k++)
            words[k] = world_pick(world, 100) < world->density ? some_word(world) : world_pick(world, 1000);
        if (block->empty_array) {
            fake_store(world->fake, block->address, world_pick(world, 4) == 0);
            block->telling = 8;
        } else if (n && world_pick(world, 3) == 0) {
            shape(world, block, words, n);
        }
    }
}

static void root(struct world *world, uint64_t at, bool of_stack)
{
    if (world->n_roots == sizeof world->roots / sizeof *world->roots)
        return;
    world->roots[world->n_roots] = some_word(world);
    world->root_at[world->n_roots] = at;
    world->root_of_stack[world->n_roots] = of_stack;
    fake_store(world->fake, at, world->roots[world->n_roots++]);
}

static void add_roots(struct world *world)
{
    struct fake *fake = world->fake;
    size_t n = 1 + world_pick(world, world->n / 6 + 1);  /* at most 101 */
    uint64_t data = fake_map(fake, 8192, IMAGE_READ | IMAGE_WRITE, "/bin/program");
    for (size_t i = 0; i < n; i++)
        root(world, data + 64 * i + 8 * world_pick(world, 8), false);
    /* Words there that no root reads: memory that is not writable, a device, below a stack pointer. */
    uint64_t constant = fake_map(fake, 4096, IMAGE_READ, "/bin/program"), device = fake_map(fake, 4096, IMAGE_READ | IMAGE_WRITE, "/dev/dri/card0");
    for (int i = 0; i < 8; i++) {
        fake_store(fake, constant + 8u * (unsigned)i, some_word(world));
        fake_store(fake, device + 8u * (unsigned)i, some_word(world));
    }
    uint64_t stack = fake_map(fake, 16384, IMAGE_READ | IMAGE_WRITE, "[stack]");
    struct record_thread thread = {.tid = 1, .state = RECORD_THREAD_PARKED, .start_sp = stack + 16000, .stack_low = stack + 8000};
    for (int i = 0; i < 20; i++)
        fake_store(fake, stack + 8 * world_pick(world, 1000), some_word(world));
    for (int i = 0; i < 6; i++)
        root(world, stack + 8000 + 1024 * (unsigned)i + 8 * world_pick(world, 128), true);
    thread.n_registers = 3;
    for (uint32_t i = 0; i < 3; i++) {
        world->root_at[world->n_roots] = i;
        world->root_of_stack[world->n_roots] = true;
        world->roots[world->n_roots++] = thread.registers[i] = some_word(world);
    }
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

struct block *world_block(struct world *world, uint64_t word, uint64_t *offset)
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

bool world_excused(struct world *world, const struct block *block, uint64_t offset)
{
    uint64_t first = word_at(world, block->address), second = word_at(world, block->address + 8), size = block->size;
    if ((block->address + offset) % 8 || offset % 8)
        return false;
    if (offset == 24 && size >= 24 && first <= second && 24 + second + 1 == size)
        return true;
    if (offset == 8 && size >= 8 && first && (size - 8 == first || (size - 8) % first == 0))
        return true;
    uint64_t inner = word_at(world, block->address + offset);
    return offset + 8 <= size && looks_like_vtable(world, first) && looks_like_vtable(world, inner);
}

static bool hold(struct world *world, uint64_t word, bool strong)
{
    uint64_t offset;
    struct block *block = world_block(world, word, &offset);
    if (!block)
        return false;
    strong = strong && (offset == 0 || world_excused(world, block, offset));
    if (strong ? block->reached : block->reached || block->possible)
        return false;
    *(strong ? &block->reached : &block->possible) = true;
    return true;
}

static void gather(struct world *world, size_t leader, struct block *from)
{
    size_t n;
    const uint64_t *words = world_words(world, from, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t offset;
        struct block *to = world_block(world, words[i], &offset);
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

static void spread(struct world *world, bool stacks)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < world->n_roots; i++)
            if (stacks || !world->root_of_stack[i])
                changed |= hold(world, world->roots[i], true);
        for (size_t i = 0; i < world->n; i++) {
            struct block *block = &world->blocks[i];
            size_t n;
            const uint64_t *words = world_words(world, block, &n);
            if (block->live && (block->reached || block->possible))
                for (size_t k = 0; k < n; k++)
                    changed |= hold(world, words[k], block->reached);
        }
    }
}

static void classify(struct world *world)
{
    qsort(world->blocks, world->n, sizeof *world->blocks, by_address);
    for (size_t i = 0; i < world->n; i++)
        world->blocks[i].reached = world->blocks[i].live && world->blocks[i].own;
    spread(world, false);
    for (size_t i = 0; i < world->n; i++)
        world->blocks[i].stack_only = !world->blocks[i].reached;
    spread(world, true);
    for (size_t i = 0; i < world->n; i++)
        world->blocks[i].stack_only &= world->blocks[i].reached;
    for (size_t i = 0; i < world->n; i++) {
        struct block *block = &world->blocks[i];
        if (block->live && !block->reached && !block->possible && !block->indirect)
            gather(world, i, block);
    }
}

void world_make(struct world *world, uint64_t seed)
{
    *world = (struct world){.seed = seed, .fake = fake_new()};
    world->density = world_pick(world, 3) ? 1 + world_pick(world, 6) : world_pick(world, 40);
    add_code(world);
    unsigned regions = 1 + (unsigned)world_pick(world, 8);
    for (unsigned i = 0; i < regions; i++)
        (world_pick(world, 2) ? add_uniform : add_placed)(world);
    add_memory(world);
    add_roots(world);
    classify(world);
}

void world_free(struct world *world)
{
    fake_free(world->fake);
}
