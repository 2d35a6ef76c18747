/* Leaving a program's contents out of a dump; dump_mask.h says what stays.
 *
 * Memory is told apart by ranges in address order; what lies in none of them is the program's:
 *
 *    KEEP      midden's records: exactly what a reader of them reads; pages of program files that were never written
 *    DATA      mappings of files: modules' data
 *    PROGRAM   everything else: heap, stacks, anonymous memory, and what midden works with (its caches remember stack words)
 *
 * A word of the program's that is no pointer becomes 0. In modules' data it becomes MARK, for the leak check tells a vtable by the
 * words around it, among which a zero is welcome and a number is not. The first two words of a block become MARK, too, unless one
 * of the heuristics (leak_heuristics.c) would be satisfied by their numbers: then they stay, so that the answer stays. The header
 * of a thread's DTV stays (leak_tls.c counts by it).
 *
 * In the records themselves, patches: registers of threads, what findings copied from memory, arguments of the program.
 *
 * Memory: 16 bytes a living block. */
#include "dump_mask.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "memory.h"
#include "sorted.h"

#define MARK UINT64_MAX
#define BATCH 4096u

enum range_kind { RANGE_KEEP, RANGE_DATA };

struct range {
    uint64_t start, end;
    enum range_kind kind;
};

enum patch_kind { PATCH_CLEAR, PATCH_WORDS, PATCH_KEEP };

struct patch {
    uint64_t start, end;
    enum patch_kind kind;
};

struct head {                   /* of a living block */
    uint64_t address, size;
};

struct dump_mask {
    const struct image *image;
    uint64_t low, high;         /* every mapping lies in between */
    struct range *ranges;       /* by start; disjoint */
    size_t n_ranges, room_ranges;
    struct patch *patches;      /* by start */
    size_t n_patches, room_patches;
    struct head *heads;         /* by address */
    size_t n_heads, room_heads;
    bool no_memory;
};

/* ---- what is where ---- */

static void add_range(struct dump_mask *mask, uint64_t start, uint64_t end, enum range_kind kind)
{
    if (start >= end)
        return;
    if (mask->n_ranges == mask->room_ranges)
        mask->ranges = memory_resize(mask->ranges, mask->room_ranges = mask->room_ranges ? 2 * mask->room_ranges : 256, sizeof *mask->ranges);
    mask->ranges[mask->n_ranges++] = (struct range){start, end, kind};
}

static void add_patch(struct dump_mask *mask, uint64_t start, uint64_t bytes, enum patch_kind kind)
{
    if (!bytes || start + bytes < start)
        return;
    if (mask->n_patches == mask->room_patches)
        mask->patches = memory_resize(mask->patches, mask->room_patches = mask->room_patches ? 2 * mask->room_patches : 256, sizeof *mask->patches);
    mask->patches[mask->n_patches++] = (struct patch){start, start + bytes, kind};
}

static int by_range(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (int)a->kind - (int)b->kind;
}

static int by_patch(const void *left, const void *right)
{
    const struct patch *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static int by_head(const void *left, const void *right)
{
    const struct head *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* Keeps n bytes of the records: whole words, since what is told apart are words. */
static void keep(struct dump_mask *mask, uint64_t start, uint64_t n)
{
    uint64_t end;
    if (start && n && !__builtin_add_overflow(start, n + 7, &end))
        add_range(mask, start & ~UINT64_C(7), end & ~UINT64_C(7), RANGE_KEEP);
}

static void keep_table(struct dump_mask *mask, const struct table *table)
{
    for (size_t c = 0; c < table->n_chunks; c++)
        keep(mask, table->chunks[c], (uint64_t)table->shape.entry_size << table->shape.chunk_shift);
}

/* What readers of records read: the anchor, what it leads to, and nothing around it. Lists of chunks and entry points are pointers,
 * which stay anyway. */
static void keep_records(struct dump_mask *mask, const struct records *records)
{
    keep(mask, records->anchor_address, records->anchor.anchor_size);
    keep(mask, records->anchor.engines, sizeof records->engines);
    for (int t = 0; t < RECORD_TABLES; t++)
        keep_table(mask, &records->tables[t]);
    /* That of regions was closed when they had been copied. */
    struct record_table shape;
    struct table regions;
    const char *why;
    if (image_read_all(mask->image, records->anchor_address + records->anchor.tables_offset + RECORD_TABLE_REGIONS * sizeof shape, &shape, sizeof shape)
        && table_open(&regions, mask->image, &shape, sizeof(struct record_region), &why)) {
        keep_table(mask, &regions);
        table_close(&regions);
    }
    for (size_t i = 0; i < records->n_regions; i++) {
        const struct record_region *region = &records->regions[i];
        keep(mask, region->records, (uint64_t)region->slots * region->record_bytes);
    }
}

/* true: pages of a program's or library's file that nobody wrote to (of them, the one with the build id goes into a dump), or of the
 * kernel's code. */
static bool is_as_in_file(const struct image *image, const struct image_mapping *mapping)
{
    if (mapping->access & IMAGE_WRITE)
        return false;
    return strcmp(mapping->path, "[vdso]") == 0
        || (mapping->inode && image->ops->written && !image->ops->written(image->ctx, mapping->start, mapping->end));
}

static void find_ranges(struct dump_mask *mask, struct records *records)
{
    const struct image *image = mask->image;
    const struct record_anchor *anchor = &records->anchor;
    keep_records(mask, records);
    for (size_t i = 0; i < image->n_mappings; i++) {
        const struct image_mapping *mapping = &image->mappings[i];
        bool ours = mapping->start < anchor->own_end && mapping->end > anchor->own_start;
        if (is_as_in_file(image, mapping))
            add_range(mask, mapping->start, mapping->end, RANGE_KEEP);
        else if (mapping->inode && !ours)
            add_range(mask, mapping->start, mapping->end, RANGE_DATA);
    }
    qsort(mask->ranges, mask->n_ranges, sizeof *mask->ranges, by_range);
    size_t kept = 0;
    for (size_t i = 0; i < mask->n_ranges; i++) {
        struct range range = mask->ranges[i];
        if (kept && range.start < mask->ranges[kept - 1].end)
            range.start = mask->ranges[kept - 1].end;
        if (range.start < range.end)
            mask->ranges[kept++] = range;
    }
    mask->n_ranges = kept;
}

/* ---- patches of the records ---- */

static uint64_t entry_address(const struct table *table, uint64_t index)
{
    uint64_t chunk = table->chunks[index >> table->shape.chunk_shift];
    return chunk ? chunk + (index & (((uint64_t)1 << table->shape.chunk_shift) - 1)) * table->shape.entry_size : 0;
}

static void patch_records(struct dump_mask *mask, struct records *records)
{
    const struct table *threads = &records->tables[RECORD_TABLE_THREADS], *findings = &records->tables[RECORD_TABLE_FINDINGS];
    const struct table *strings = &records->tables[RECORD_TABLE_STRINGS];
    for (uint64_t i = 1; i < threads->count; i++)
        if (entry_address(threads, i))
            add_patch(mask, entry_address(threads, i) + offsetof(struct record_thread, registers), RECORD_REGISTERS * 8, PATCH_WORDS);
    for (uint64_t i = 1; i < findings->count; i++) {
        uint64_t at = entry_address(findings, i);
        if (!at)
            continue;
        add_patch(mask, at + offsetof(struct record_finding, damage_bytes), 4, PATCH_CLEAR);
        add_patch(mask, at + offsetof(struct record_finding, damage), RECORD_DAMAGE_BYTES, PATCH_CLEAR);
    }
    uint64_t first = strnlen(records->command, records->command_bytes);
    if (records->command_bytes > first && entry_address(strings, records->anchor.cmdline))
        add_patch(mask, entry_address(strings, records->anchor.cmdline) + first, records->command_bytes - first, PATCH_CLEAR);
}

static void keep_thread_vectors(struct dump_mask *mask, const struct records *records)
{
    for (size_t i = 1; i < records->n_threads; i++) {
        uint64_t dtv, at = records->threads[i].thread_pointer;
#if defined(__x86_64__)
        at += 8;
#endif
        if (records->threads[i].thread_pointer && image_read_all(mask->image, at, &dtv, sizeof dtv) && dtv >= 16 && dtv % 8 == 0)
            add_patch(mask, dtv - 16, 8, PATCH_KEEP);
    }
}

/* ---- blocks ---- */

static void add_head(struct dump_mask *mask, uint64_t address, const struct record_block *block)
{
    if (record_head_state(block->head) != RECORD_BLOCK_LIVE || address % 8)
        return;
    if (mask->n_heads == mask->room_heads) {
        size_t room = mask->room_heads ? 2 * mask->room_heads : 4096;
        struct head *grown = reallocarray(mask->heads, room, sizeof *grown);
        mask->no_memory |= !grown;
        if (!grown)
            return;
        mask->heads = grown;
        mask->room_heads = room;
    }
    mask->heads[mask->n_heads++] = (struct head){address, record_head_size(block->head)};
}

static void find_heads(struct dump_mask *mask, const struct records *records)
{
    struct record_placed *batch = memory_new(BATCH, sizeof *batch);     /* the largest of the records */
    for (size_t i = 0; i < records->n_regions; i++) {
        const struct record_region *region = &records->regions[i];
        size_t entry = region->record_bytes;
        for (uint32_t first = 0; first < region->slots && !mask->no_memory; first += BATCH) {
            uint32_t n = region->slots - first < BATCH ? region->slots - first : BATCH;
            image_read_around(mask->image, region->records + (uint64_t)first * entry, batch, n * entry);
            for (uint32_t k = 0; k < n; k++) {
                if (region->stride) {
                    struct record_block record = region_record(region, batch, k);
                    add_head(mask, region->base + ((uint64_t)first + k) * region->stride + region->user_offset, &record);
                } else {
                    add_head(mask, batch[k].address, &batch[k].block);
                }
            }
            if (region->slots - first <= BATCH)
                break;
        }
    }
    free(batch);
    if (mask->n_heads)
        qsort(mask->heads, mask->n_heads, sizeof *mask->heads, by_head);
}

struct dump_mask *dump_mask_new(const struct image *image, struct records *records, struct error *error)
{
    struct dump_mask *mask = memory_new(1, sizeof *mask);
    mask->image = image;
    if (image->n_mappings) {
        mask->low = image->mappings[0].start;
        mask->high = image->mappings[image->n_mappings - 1].end;
    }
    find_ranges(mask, records);
    find_heads(mask, records);
    if (mask->no_memory) {
        error_set(error, "no memory for a list of the blocks");
        dump_mask_free(mask);
        return NULL;
    }
    patch_records(mask, records);
    keep_thread_vectors(mask, records);
    if (mask->n_patches)
        qsort(mask->patches, mask->n_patches, sizeof *mask->patches, by_patch);
    return mask;
}

void dump_mask_free(struct dump_mask *mask)
{
    if (!mask)
        return;
    free(mask->ranges);
    free(mask->patches);
    free(mask->heads);
    free(mask);
}

/* ---- applying ---- */

static bool is_pointer(const struct dump_mask *mask, uint64_t word)
{
    return word >= mask->low && word < mask->high && image_mapping_at(mask->image, word);
}

uint64_t dump_mask_word(const struct dump_mask *mask, uint64_t word)
{
    return !mask || is_pointer(mask, word) ? word : 0;
}

static uint64_t load(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static void mask_words(const struct dump_mask *mask, unsigned char *bytes, size_t n, uint64_t instead)
{
    size_t at = 0;
    for (; at + 8 <= n; at += 8) {
        uint64_t word = load(bytes + at);
        if (word && !is_pointer(mask, word))
            memcpy(bytes + at, &instead, 8);
    }
    memset(bytes + at, 0, n - at);
}

/* The numbers at the start of a block that a heuristic of the leak check compares with its size. */
static bool numbers_matter(uint64_t size, uint64_t first, uint64_t second)
{
    bool text = first <= second && second <= size && 24 + second + 1 == size;
    bool length = first > 0 && size >= 8 && size - 8 == first;
    bool count = first > 0 && size > 8 && (size - 8) % first == 0;
    return text || length || count;
}

/* Gives the first two words of a block back what they must have; `was` holds the two as they were. */
static void restore_head(const struct dump_mask *mask, const struct head *head, uint64_t address, unsigned char *bytes, size_t n, const uint64_t was[2])
{
    bool matter = numbers_matter(head->size, was[0], was[1]);
    for (unsigned i = 0; i < 2 && head->size >= 8 * (i + 1); i++) {
        uint64_t at = head->address + 8 * i;
        uint64_t word = was[i] == 0 || is_pointer(mask, was[i]) || matter ? was[i] : MARK;
        if (at >= address && at + 8 <= address + n)
            memcpy(bytes + (at - address), &word, 8);
    }
}

/* The first head at or behind `address`. */
static size_t head_from(const struct dump_mask *mask, uint64_t address)
{
    size_t low = 0, high = mask->n_heads;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mask->heads[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void mask_program(const struct dump_mask *mask, uint64_t address, unsigned char *bytes, size_t n)
{
    size_t first = head_from(mask, address >= 8 ? address - 8 : 0), last = head_from(mask, address + n);
    uint64_t (*was)[2] = last > first ? memory_new(last - first, sizeof *was) : NULL;
    for (size_t i = first; i < last; i++) {
        uint64_t at = mask->heads[i].address;
        if (at >= address && at + 16 <= address + n)
            memcpy(was[i - first], bytes + (at - address), 16);
        else
            image_read_around(mask->image, at, was[i - first], 16);
    }
    mask_words(mask, bytes, n, 0);
    for (size_t i = first; i < last; i++)
        restore_head(mask, &mask->heads[i], address, bytes, n, was[i - first]);
    free(was);
}

static size_t range_from(const struct dump_mask *mask, uint64_t address)
{
    return SORTED_UP_TO(mask->ranges, mask->n_ranges, end, address);
}

static void apply_patches(const struct dump_mask *mask, uint64_t address, unsigned char *bytes, size_t n)
{
    size_t low = SORTED_UP_TO(mask->patches, mask->n_patches, end, address);
    for (; low < mask->n_patches && mask->patches[low].start < address + n; low++) {
        const struct patch *patch = &mask->patches[low];
        uint64_t start = patch->start > address ? patch->start : address, end = patch->end < address + n ? patch->end : address + n;
        unsigned char *at = bytes + (start - address);
        if (patch->kind == PATCH_KEEP)
            image_read_around(mask->image, start, at, (size_t)(end - start));
        else if (patch->kind == PATCH_CLEAR)
            memset(at, 0, (size_t)(end - start));
        else
            mask_words(mask, at, (size_t)(end - start), 0);
    }
}

void dump_mask_apply(const struct dump_mask *mask, uint64_t address, void *buffer, size_t n)
{
    unsigned char *bytes = buffer;
    uint64_t end = address + n, at = address;
    for (size_t i = range_from(mask, address); at < end; i++) {
        const struct range *range = i < mask->n_ranges && mask->ranges[i].start < end ? &mask->ranges[i] : NULL;
        uint64_t stop = range ? range->start : end;
        if (at < stop)
            mask_program(mask, at, bytes + (at - address), (size_t)(stop - at));
        if (!range)
            break;
        at = at > range->start ? at : range->start;
        stop = range->end < end ? range->end : end;
        if (range->kind == RANGE_DATA)
            mask_words(mask, bytes + (at - address), (size_t)(stop - at), MARK);
        at = stop;
    }
    apply_patches(mask, address, bytes, n);
}
