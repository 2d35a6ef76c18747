/* See fake_image.h. */
#include "fake_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define POOL ((size_t)8 << 20)

static const struct { uint32_t size, shift, chunks; } shapes[RECORD_TABLES] = {
    [RECORD_TABLE_REGIONS] = {sizeof(struct record_region), 2, 64},
    [RECORD_TABLE_STACKS] = {sizeof(struct record_node), 4, 4096},
    [RECORD_TABLE_THREADS] = {sizeof(struct record_thread), 1, 64},
    [RECORD_TABLE_MODULES] = {sizeof(struct record_module), 1, 32},
    [RECORD_TABLE_FINDINGS] = {sizeof(struct record_finding), 1, 32},
    [RECORD_TABLE_MAPPINGS] = {sizeof(struct record_mapping), 2, 32},
    [RECORD_TABLE_STRINGS] = {1, 9, 32},
    [RECORD_TABLE_ROOTS] = {sizeof(struct record_root), 2, 8},
    [RECORD_TABLE_LABELS] = {sizeof(struct record_label), 2, 32},
    [RECORD_TABLE_POOLS] = {sizeof(struct record_pool), 2, 8},
    [RECORD_TABLE_OBJECTS] = {sizeof(struct record_object), 3, 4096},
};

uint64_t fake_map(struct fake *fake, size_t bytes, unsigned access, const char *path)
{
    if (fake->n == FAKE_MAPPINGS)
        abort();
    bytes = (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    struct fake_mapping *mapping = &fake->mappings[fake->n++];
    *mapping = (struct fake_mapping){.start = fake->next, .bytes = bytes, .access = access, .inode = *path == '/' ? 100 + fake->n : 0,
                                     .path = path, .data = calloc(1, bytes), .readable = bytes};
    fake->next += bytes + 16 * PAGE;
    return mapping->start;
}

void *fake_at(const struct fake *fake, uint64_t address, size_t n)
{
    for (size_t i = 0; i < fake->n; i++) {
        const struct fake_mapping *mapping = &fake->mappings[i];
        if (address >= mapping->start && address - mapping->start <= mapping->bytes && n <= mapping->bytes - (address - mapping->start))
            return mapping->data + (address - mapping->start);
    }
    return NULL;
}

static void *need(const struct fake *fake, uint64_t address, size_t n)
{
    void *at = fake_at(fake, address, n);
    if (!at)
        abort();
    return at;
}

void fake_store(struct fake *fake, uint64_t address, uint64_t word)
{
    memcpy(need(fake, address, sizeof word), &word, sizeof word);
}

static uint64_t from_pool(struct fake *fake, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > fake->pool_left)
        abort();
    fake->pool_left -= bytes;
    return fake->pool + fake->pool_left;
}

struct record_anchor *fake_anchor(const struct fake *fake)
{
    return need(fake, fake->anchor, sizeof(struct record_anchor));
}

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof *fake);
    fake->next = 0x7f0000000000;
    uint64_t own = fake_map(fake, 4 * PAGE, IMAGE_READ | IMAGE_WRITE, "/opt/lib/libmidden.so");
    fake->anchor = own + 640;
    fake->pool = fake_map(fake, POOL, IMAGE_READ | IMAGE_WRITE, "");
    fake->pool_left = POOL;
    struct record_anchor *anchor = fake_anchor(fake);
    memcpy(anchor->magic, RECORD_MAGIC, 16);
    anchor->version = RECORD_VERSION;
    anchor->anchor_size = sizeof *anchor;
    anchor->tables_offset = offsetof(struct record_anchor, tables);
    anchor->n_tables = RECORD_TABLES;
    anchor->page_size = PAGE;
    anchor->pid = 4242;
    anchor->image = 1;
    anchor->front_guard = anchor->rear_guard = 16;
    anchor->own_start = own;
    anchor->own_end = own + 4 * PAGE;
    for (int i = 0; i < RECORD_TABLES; i++) {
        anchor->tables[i] = (struct record_table){.entry_size = shapes[i].size, .chunk_shift = shapes[i].shift, .max_chunks = shapes[i].chunks,
                                                  .chunks = from_pool(fake, 8 * shapes[i].chunks), .count = 1};
        fake_store(fake, anchor->tables[i].chunks, from_pool(fake, (size_t)shapes[i].size << shapes[i].shift));
    }
    struct record_mapping pool = {.start = fake->pool, .bytes = POOL, .purpose = RECORD_PURPOSE_RECORDS};
    fake_entry(fake, RECORD_TABLE_MAPPINGS, &pool);
    return fake;
}

void fake_free(struct fake *fake)
{
    for (size_t i = 0; i < fake->n; i++)
        free(fake->mappings[i].data);
    free(fake);
}

/* The chunk of an index, made if it is not there. */
static uint64_t chunk(struct fake *fake, struct record_table *table, uint64_t index)
{
    uint64_t slot = table->chunks + 8 * (index >> table->chunk_shift), address;
    memcpy(&address, need(fake, slot, sizeof address), sizeof address);
    if (!address) {
        address = from_pool(fake, (size_t)table->entry_size << table->chunk_shift);
        fake_store(fake, slot, address);
    }
    return address + (index & ((1ull << table->chunk_shift) - 1)) * table->entry_size;
}

uint32_t fake_entry(struct fake *fake, enum record_table_id id, const void *entry)
{
    struct record_table *table = &fake_anchor(fake)->tables[id];
    uint64_t index = table->count;
    if (index >> table->chunk_shift >= table->max_chunks)
        abort();
    memcpy(need(fake, chunk(fake, table, index), table->entry_size), entry, table->entry_size);
    table->count++;
    return (uint32_t)index;
}

void *fake_entry_at(const struct fake *fake, enum record_table_id id, uint64_t index)
{
    struct record_table *table = &fake_anchor(fake)->tables[id];
    uint64_t address;
    memcpy(&address, need(fake, table->chunks + 8 * (index >> table->chunk_shift), sizeof address), sizeof address);
    return need(fake, address + (index & ((1ull << table->chunk_shift) - 1)) * table->entry_size, table->entry_size);
}

uint64_t fake_string(struct fake *fake, const char *text, size_t n)
{
    struct record_table *table = &fake_anchor(fake)->tables[RECORD_TABLE_STRINGS];
    uint64_t size = 1ull << table->chunk_shift, index = table->count;
    if ((index & (size - 1)) + n + 1 > size)
        index = (index + size - 1) & ~(size - 1);
    uint64_t address = chunk(fake, table, index);
    memcpy(need(fake, address, n + 1), text, n);
    table->count = index + n + 1;
    return index;
}

uint32_t fake_stack(struct fake *fake, unsigned module, const uint64_t *pcs, unsigned n)
{
    uint32_t parent = 0;
    for (unsigned i = n; i-- > 0;) {
        struct record_node node = {.place = pcs[i] | (uint64_t)module << RECORD_PC_BITS, .parent = parent, .depth = (uint16_t)(n - i)};
        parent = fake_entry(fake, RECORD_TABLE_STACKS, &node);
    }
    return parent;
}

static uint64_t region(struct fake *fake, size_t bytes, uint32_t stride, uint32_t slots, uint32_t user_offset, uint32_t told, size_t entry, uint64_t *records)
{
    uint64_t base = fake_map(fake, bytes, IMAGE_READ | IMAGE_WRITE, "");
    *records = from_pool(fake, slots * entry);
    struct record_region made = {.base = base, .bytes = bytes, .records = *records, .stride = stride, .slots = slots,
                                 .user_offset = user_offset, .engine = stride ? RECORD_ENGINE_SLAB : RECORD_ENGINE_FREELIST,
                                 .state = RECORD_REGION_OPEN, .record_bytes = told};
    fake_entry(fake, RECORD_TABLE_REGIONS, &made);
    return base;
}

uint64_t fake_uniform(struct fake *fake, uint32_t stride, uint32_t slots, uint32_t user_offset, uint64_t *records)
{
    return fake_uniform_of(fake, stride, slots, user_offset, sizeof(struct record_block), records);
}

uint64_t fake_uniform_of(struct fake *fake, uint32_t stride, uint32_t slots, uint32_t user_offset, uint32_t record_bytes, uint64_t *records)
{
    return region(fake, (size_t)stride * slots, stride, slots, user_offset, record_bytes, record_bytes ? record_bytes : sizeof(struct record_block),
                  records);
}

uint64_t fake_placed(struct fake *fake, size_t bytes, uint32_t slots, uint64_t *records)
{
    return region(fake, bytes, 0, slots, 0, sizeof(struct record_placed), sizeof(struct record_placed), records);
}

/* ---- the image ---- */

static size_t fake_read(void *ctx, uint64_t address, void *buffer, size_t n)
{
    const struct fake *fake = ctx;
    for (size_t i = 0; i < fake->n; i++) {
        const struct fake_mapping *mapping = &fake->mappings[i];
        if (address < mapping->start || address - mapping->start >= mapping->readable)
            continue;
        size_t left = mapping->readable - (size_t)(address - mapping->start);
        if (n > left)
            n = left;
        memcpy(buffer, mapping->data + (address - mapping->start), n);
        return n;
    }
    return 0;
}

static const struct image_ops ops = {.read = fake_read};

struct image *fake_open(struct fake *fake)
{
    struct image_mapping *mappings = calloc(fake->n, sizeof *mappings);
    struct error error;
    for (size_t i = 0; i < fake->n; i++)
        mappings[i] = (struct image_mapping){.start = fake->mappings[i].start, .end = fake->mappings[i].start + fake->mappings[i].bytes,
                                             .access = fake->mappings[i].access, .inode = fake->mappings[i].inode,
                                             .path = strdup(fake->mappings[i].path)};
    struct image *image = image_new(&ops, fake, mappings, fake->n, &error);
    if (!image) {
        fprintf(stderr, "fake_open: %s\n", error.text);
        abort();
    }
    return image;
}
