/* Every block that an image's records tell of, in address order, whatever its state, one at a time.
 *
 *    struct block_walk walk;
 *    struct walked block;
 *    block_walk_start(&walk, records);
 *    while (block_walk_next(&walk, &block))
 *        …
 *    block_walk_end(&walk);
 *
 * Memory: a buffer; and for a region of placed records (freelist, buddy, guarded) its records, to sort them. */
#ifndef MIDDEN_REPORT_BLOCK_WALK_H
#define MIDDEN_REPORT_BLOCK_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "records.h"

struct walked {
    uint64_t address;
    struct record_block block;
    uint32_t region;            /* index into records->regions */
};

static inline uint64_t walked_size(const struct walked *block) { return record_head_size(block->block.head); }
static inline unsigned walked_state(const struct walked *block) { return record_head_state(block->block.head); }

struct block_walk {
    struct records *records;
    size_t region;              /* the one walked */
    uint32_t slot;              /* of it, next */
    struct record_block *slots; /* room for as many; uniform: a stretch of its records as they are, from slot `first` on */
    uint32_t first, n;
    struct record_placed *placed;   /* placed: all of it, sorted; NULL: not read yet */
    size_t n_placed, at;
    bool own_too;               /* set it after the start to be given the tool's own blocks as well */
    uint64_t done, all;         /* records, for a progress line */
};

void block_walk_start(struct block_walk *walk, struct records *records);

/* Blocks that live, are in quarantine, or are history; not those of the tool itself, nor records that were being changed. Two of them
 * overlap only where one is history. false: no more. */
bool block_walk_next(struct block_walk *walk, struct walked *block);

void block_walk_end(struct block_walk *walk);

/* "live", "quarantined", "freed" */
const char *block_state_name(unsigned state);

#endif
