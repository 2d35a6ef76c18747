/* gdb copies a mapping up to the first page that cannot be read. Page guards are such pages (madvise's kind, which leaves the
 * mapping one), so what lies behind the first guard of a mapping is zero in a core of gcore's, though the core says nothing.
 *
 * It shows by the blocks: after an address in the mapping no block has anything but zeros, neither in its first bytes nor in the
 * 16 before them, although the program got memory that was filled, or witnesses stand there. Blocks of calloc prove nothing.
 *
 *   1. per mapping, the highest block that has something
 *   2. the living blocks above it, that should have
 *
 * Limit: two reads a block. */
#include "core_gaps.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "memory.h"

#define BATCH 4096u
#define LOOK 64u                /* bytes of a block that are looked at */
#define FRONT 16u

struct gaps {
    const struct records *records;
    uint64_t *highest;          /* per mapping: 1 + the address of the highest block that has something */
    bool counting;
    uint64_t lost;
};

static bool proves_something(const struct record_block *block)
{
    unsigned allocator = record_head_allocator(block->head);
    return record_head_state(block->head) == RECORD_BLOCK_LIVE && record_head_size(block->head) >= 8
        && allocator != RECORD_BY_CALLOC && !(record_head_flags(block->head) & RECORD_FLAG_OWN);
}

static bool has_something(const struct image *image, uint64_t address, uint64_t size)
{
    unsigned char bytes[FRONT + LOOK] = {0};
    size_t n = FRONT + (size < LOOK ? (size_t)size : LOOK);
    image_read_around(image, address - FRONT, bytes, n);
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return true;
    return false;
}

static void take(struct gaps *gaps, uint64_t address, const struct record_block *block)
{
    const struct image *image = gaps->records->image;
    if (!proves_something(block))
        return;
    const struct image_mapping *mapping = image_mapping_at(image, address);
    if (!mapping)
        return;
    uint64_t *highest = &gaps->highest[mapping - image->mappings];
    if (gaps->counting)
        gaps->lost += address + 1 > *highest;
    else if (address + 1 > *highest && has_something(image, address, record_head_size(block->head)))
        *highest = address + 1;
}

static void take_region(struct gaps *gaps, const struct record_region *region, void *buffer)
{
    struct record_placed *placed = buffer;
    size_t entry = region->record_bytes;
    for (uint64_t first = 0; first < region->slots; first += BATCH) {
        uint64_t n = region->slots - first < BATCH ? region->slots - first : BATCH;
        image_read_around(gaps->records->image, region->records + first * entry, buffer, (size_t)n * entry);
        for (uint64_t i = 0; i < n; i++) {
            if (region->stride) {
                struct record_block record = region_record(region, buffer, i);
                take(gaps, region->base + (first + i) * region->stride + region->user_offset, &record);
            } else {
                take(gaps, placed[i].address, &placed[i].block);
            }
        }
    }
}

bool core_lost_block(const struct records *records, uint64_t address, uint64_t size)
{
    return records->image->by_gdb && size && !has_something(records->image, address, size);
}

uint64_t core_gaps(const struct records *records)
{
    const struct image *image = records->image;
    struct gaps gaps = {.records = records};
    if (!image->by_gdb || records->anchor.fill_alloc > 255)
        return 0;
    gaps.highest = memory_new(image->n_mappings, sizeof *gaps.highest);
    void *buffer = memory_new(BATCH, sizeof(struct record_placed));
    for (int pass = 0; pass < 2; pass++) {
        gaps.counting = pass == 1;
        for (size_t i = 0; i < records->n_regions; i++)
            take_region(&gaps, &records->regions[i], buffer);
    }
    free(buffer);
    free(gaps.highest);
    return gaps.lost;
}
