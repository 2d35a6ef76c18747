/* Walking the records of all regions.
 *
 * Regions lie in address order and do not overlap (records_open() saw to it). The records of a uniform one are in address order too
 * and are streamed in stretches; those of a placed one are not, so they are read whole and sorted. A placed record whose address lies
 * outside its region is nonsense and left out, so the order holds whatever the image says. */
#include "block_walk.h"

#include <stdlib.h>
#include <string.h>

enum { STRETCH = 16384 };       /* records */

static const char *const state_names[] = {
    [RECORD_BLOCK_EMPTY] = "never used", [RECORD_BLOCK_BUSY] = "being changed", [RECORD_BLOCK_LIVE] = "live",
    [RECORD_BLOCK_QUARANTINED] = "quarantined", [RECORD_BLOCK_FREE] = "freed",
};

const char *block_state_name(unsigned state)
{
    return state < sizeof state_names / sizeof *state_names ? state_names[state] : "?";
}

void block_walk_start(struct block_walk *walk, struct records *records)
{
    memset(walk, 0, sizeof *walk);
    walk->records = records;
    walk->slots = memory_new(STRETCH, sizeof *walk->slots);
    for (size_t i = 0; i < records->n_regions; i++)
        walk->all += records->regions[i].slots;
}

void block_walk_end(struct block_walk *walk)
{
    free(walk->slots);
    free(walk->placed);
    walk->slots = NULL;
    walk->placed = NULL;
}

static bool is_block(const struct block_walk *walk, uint64_t head)
{
    unsigned state = record_head_state(head);
    return (state == RECORD_BLOCK_LIVE || state == RECORD_BLOCK_QUARANTINED || state == RECORD_BLOCK_FREE)
        && (walk->own_too || !(record_head_flags(head) & RECORD_FLAG_OWN));
}

/* By address; of two at one address the one that is not history last. */
static int by_address(const void *left, const void *right)
{
    const struct record_placed *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    unsigned state_a = record_head_state(a->block.head), state_b = record_head_state(b->block.head);
    if (state_a != state_b)
        return state_a > state_b ? -1 : 1;
    return a->block.sequence < b->block.sequence ? -1 : a->block.sequence > b->block.sequence;
}

static void read_placed(struct block_walk *walk, const struct record_region *region)
{
    size_t n = 0;
    walk->at = walk->n_placed = 0;
    walk->placed = memory_try(region->slots ? region->slots : 1, sizeof *walk->placed);
    if (!walk->placed) {
        records_problem(walk->records, "there is no memory for the records of a region: its blocks are left out");
        walk->placed = memory_new(1, sizeof *walk->placed);
        return;
    }
    image_read_around(walk->records->image, region->records, walk->placed, region->slots * sizeof *walk->placed);
    for (uint32_t i = 0; i < region->slots; i++) {
        const struct record_placed *placed = &walk->placed[i];
        if (is_block(walk, placed->block.head) && placed->address - region->base < region->bytes)
            walk->placed[n++] = *placed;
    }
    if (n)
        qsort(walk->placed, n, sizeof *walk->placed, by_address);
    walk->n_placed = n;
}

static bool next_placed(struct block_walk *walk, const struct record_region *region, struct walked *block)
{
    if (!walk->placed)
        read_placed(walk, region);
    if (walk->at < walk->n_placed) {
        block->address = walk->placed[walk->at].address;
        block->block = walk->placed[walk->at].block;
        walk->at++;
        return true;
    }
    free(walk->placed);
    walk->placed = NULL;
    return false;
}

static bool next_uniform(struct block_walk *walk, const struct record_region *region, struct walked *block)
{
    while (walk->slot < region->slots) {
        if (walk->slot - walk->first >= walk->n) {
            walk->first = walk->slot;
            walk->n = region->slots - walk->slot < STRETCH ? region->slots - walk->slot : STRETCH;
            image_read_around(walk->records->image, region->records + (uint64_t)walk->first * region->record_bytes, walk->slots,
                              (size_t)walk->n * region->record_bytes);
        }
        uint32_t slot = walk->slot++;
        struct record_block record = region_record(region, walk->slots, slot - walk->first);
        if (!is_block(walk, record.head))
            continue;
        block->address = region->base + (uint64_t)slot * region->stride + region->user_offset;
        block->block = record;
        return true;
    }
    return false;
}

bool block_walk_next(struct block_walk *walk, struct walked *block)
{
    while (walk->region < walk->records->n_regions) {
        const struct record_region *region = &walk->records->regions[walk->region];
        block->region = (uint32_t)walk->region;
        if (region->stride ? next_uniform(walk, region, block) : next_placed(walk, region, block))
            return true;
        walk->done += region->slots;
        walk->region++;
        walk->slot = walk->first = walk->n = 0;
    }
    return false;
}
