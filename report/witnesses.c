/* Reading and comparing witnesses.
 *
 *   magic word, guard in front   where the profile has them (anchor.front_guard) and the block is no page-guarded one
 *   guard behind                 to the end of the slot in a uniform region; at least anchor.rear_guard bytes elsewhere
 *   page-guarded                 the zones between the block and the ends of its pages
 *   fill                         of a block in quarantine
 *
 * A block whose memory was given back to the heap has none: whatever the heap did with it since is its own business. */
#include "witnesses.h"

#include <string.h>

#include "core_gaps.h"
#include "format/witness.h"

enum { LONGEST = 4096 };        /* the library keeps a longer zone behind a block only up to there */

/* Reads a zone and holds it against one byte. */
static void compare(const struct records *records, struct witnesses *witnesses, const char *name, uint64_t address, uint64_t n, uint8_t expected)
{
    struct witness *witness = &witnesses->list[witnesses->n++];
    uint8_t buffer[4096];
    *witness = (struct witness){.name = name, .address = address, .n = (size_t)n, .expected = expected};
    if (n == 0 || !image_read_all(records->image, address, witness->bytes, n < WITNESS_SHOWN ? n : WITNESS_SHOWN)) {
        witness->state = WITNESS_UNREADABLE;
        witnesses->n -= n == 0;
        return;
    }
    witness->n_shown = n < WITNESS_SHOWN ? (size_t)n : WITNESS_SHOWN;
    size_t last = 0;
    for (uint64_t done = 0; done < n; done += sizeof buffer) {
        size_t part = n - done < sizeof buffer ? (size_t)(n - done) : sizeof buffer;
        size_t got = image_read(records->image, address + done, buffer, part);
        for (size_t i = 0; i < got; i++) {
            if (buffer[i] == expected)
                continue;
            if (witness->state == WITNESS_INTACT)
                witness->wrong = (size_t)done + i;
            witness->state = WITNESS_DAMAGED;
            last = (size_t)done + i;
        }
        if (got < part)
            break;
    }
    if (witness->state != WITNESS_DAMAGED)
        return;
    witness->n_wrong = last - witness->wrong + 1;
    if (witness->wrong >= WITNESS_SHOWN) {      /* show where it begins */
        witness->shown_from = witness->wrong / 16 * 16;
        witness->n_shown = n - witness->shown_from < WITNESS_SHOWN ? (size_t)n - witness->shown_from : WITNESS_SHOWN;
        witness->n_shown = image_read(records->image, address + witness->shown_from, witness->bytes, witness->n_shown);
    }
}

static void magic(const struct records *records, const struct walked *block, struct witnesses *witnesses)
{
    bool live = walked_state(block) == RECORD_BLOCK_LIVE;
    uint64_t word, expected = witness_word(block->address, live ? WITNESS_USED : WITNESS_FREE);
    struct witness *witness = &witnesses->list[witnesses->n++];
    *witness = (struct witness){.name = "magic word", .address = block->address - 16, .n = 8, .expected_word = expected, .n_shown = 8};
    if (!image_read_all(records->image, witness->address, &word, sizeof word)) {
        witness->state = WITNESS_UNREADABLE;
        witness->n_shown = 0;
        return;
    }
    memcpy(witness->bytes, &word, sizeof word);
    if (word == expected)
        return;
    witness->state = WITNESS_DAMAGED;
    witness->other = word == witness_word(block->address, live ? WITNESS_FREE : WITNESS_USED);
    witness->wrong = (size_t)__builtin_ctzll(word ^ expected) / 8;
    witness->n_wrong = 8 - (size_t)__builtin_clzll(word ^ expected) / 8 - witness->wrong;
}

/* Bytes behind a block that are known to be its guard zone. */
static uint64_t rear_zone(const struct records *records, const struct record_region *region, const struct walked *block)
{
    uint64_t end = block->address + walked_size(block), n = records->anchor.rear_guard;
    if (region->stride && region->engine == RECORD_ENGINE_SLAB) {
        uint64_t slot_end = region->base + ((block->address - region->base) / region->stride + 1) * region->stride;
        n = slot_end > end ? slot_end - end : 0;
    }
    return n < LONGEST ? n : LONGEST;
}

/* gdb's gcore writes zeros for what it could not read: a zone of nothing but zeros is then no damage that anybody saw. */
static void forgive_missing(struct witnesses *witnesses)
{
    bool any = false;
    for (size_t i = 0; i < witnesses->n; i++) {
        struct witness *witness = &witnesses->list[i];
        bool zeros = witness->state == WITNESS_DAMAGED && witness->n_wrong == witness->n;
        for (size_t k = 0; k < witness->n_shown; k++)
            zeros = zeros && witness->bytes[k] == 0;
        if (zeros) {
            witness->state = WITNESS_UNREADABLE;
            witness->n_shown = 0;
        }
        any |= !zeros && witness->state != WITNESS_UNREADABLE;
    }
    if (!any && witnesses->n)
        witnesses->n_contents = 0;
}

static void look(const struct records *records, const struct walked *block, struct witnesses *witnesses)
{
    const struct record_anchor *anchor = &records->anchor;
    const struct record_region *region = &records->regions[block->region];
    uint64_t size = walked_size(block), page = anchor->page_size ? anchor->page_size : 4096;
    unsigned state = walked_state(block), flags = record_head_flags(block->block.head);
    bool quarantined = state == RECORD_BLOCK_QUARANTINED;
    memset(witnesses, 0, sizeof *witnesses);
    witnesses->n_contents = image_read(records->image, block->address, witnesses->contents,
                                       size < WITNESS_SHOWN ? (size_t)size : WITNESS_SHOWN);
    if (state != RECORD_BLOCK_LIVE && !quarantined)
        witnesses->none_why = "its memory was given back to the heap";
    else if (!anchor->rear_guard)
        witnesses->none_why = "the profile has no guard zones";
    else if (quarantined && (flags & RECORD_FLAG_INACCESSIBLE))
        witnesses->none_why = "its pages cannot be touched by anybody: an access would have been told at once";
    else if (block->address < 16 || size > UINT64_MAX - block->address - LONGEST)
        witnesses->none_why = "its record makes no sense";
    else if (records->image->contents_removed)
        witnesses->none_why = "the dump was made without contents";
    else if (core_lost_block(records, block->address, size))
        witnesses->none_why = "gdb, which made the core, did not copy it";
    if (witnesses->none_why)
        return;
    if (region->engine == RECORD_ENGINE_GUARDED) {
        uint64_t start = block->address / page * page, end = block->address + size, limit = (end + page - 1) / page * page;
        compare(records, witnesses, "guard in front", start, block->address - start, WITNESS_BYTE);
        compare(records, witnesses, "guard behind", end, limit - end, WITNESS_BYTE);
        return;
    }
    if (anchor->front_guard == 16) {
        magic(records, block, witnesses);
        compare(records, witnesses, "guard in front", block->address - 8, 8, WITNESS_BYTE);
    }
    if (quarantined && anchor->fill_free <= 255 && size)
        compare(records, witnesses, "fill", block->address, size < WITNESS_FILL_MAX ? size : WITNESS_FILL_MAX, (uint8_t)anchor->fill_free);
    compare(records, witnesses, "guard behind", block->address + size, rear_zone(records, region, block), WITNESS_BYTE);
}

void witnesses_read(const struct records *records, const struct walked *block, struct witnesses *witnesses)
{
    look(records, block, witnesses);
    if (records->image->guards_unseen)
        forgive_missing(witnesses);
}
