/* Reading and comparing witnesses.
 *
 *   magic word, guard in front   where the profile has them (anchor.front_guard) and the block is no page-guarded one
 *   guard behind                 to the end of the slot in a uniform region; at least anchor.rear_guard bytes elsewhere
 *   page-guarded                 the zones between the block and the ends of its pages
 *   fill                         of a block in quarantine
 *
 * A block whose memory was given back to the heap has none: whatever the heap did with it since is its own business.
 *
 * Where all blocks of an image are asked about (unseen.c), in address order, a window of its memory is held and compared in place; only what
 * differs is read again, with all that a reader wants to see of it. */
#include "witnesses.h"

#include <string.h>

#include "core_gaps.h"
#include "format/witness.h"

enum { LONGEST = 4096 };        /* the library keeps a longer zone behind a block only up to there */

/* What should be where. */
struct zone {
    const char *name;
    uint64_t address, n;        /* bytes */
    uint64_t word;              /* magic word; 0: every byte is `expected` */
    uint8_t expected;
};
enum { MOST_ZONES = 4 };

/* Reads a zone and holds it against one byte. */
static void compare(const struct records *records, struct witnesses *witnesses, const struct zone *zone)
{
    struct witness *witness = &witnesses->list[witnesses->n++];
    uint64_t address = zone->address, n = zone->n;
    uint8_t buffer[4096], expected = zone->expected;
    *witness = (struct witness){.name = zone->name, .address = address, .n = (size_t)n, .expected = expected};
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

static void magic(const struct records *records, const struct walked *block, struct witnesses *witnesses, const struct zone *zone)
{
    bool live = walked_state(block) == RECORD_BLOCK_LIVE;
    uint64_t word, expected = zone->word;
    struct witness *witness = &witnesses->list[witnesses->n++];
    *witness = (struct witness){.name = zone->name, .address = zone->address, .n = 8, .expected_word = expected, .n_shown = 8};
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

/* The block's zones, by address. 0: it has none, for the reason *none_why. */
static size_t zones_of(const struct records *records, const struct walked *block, struct zone zones[MOST_ZONES], const char **none_why)
{
    const struct record_anchor *anchor = &records->anchor;
    const struct record_region *region = &records->regions[block->region];
    uint64_t size = walked_size(block), page = anchor->page_size ? anchor->page_size : 4096, end = block->address + size;
    unsigned state = walked_state(block), flags = record_head_flags(block->block.head);
    bool quarantined = state == RECORD_BLOCK_QUARANTINED;
    size_t n = 0;
    *none_why = NULL;
    if (state != RECORD_BLOCK_LIVE && !quarantined)
        *none_why = "its memory was given back to the heap";
    else if (!anchor->rear_guard)
        *none_why = "the profile has no guard zones";
    else if (quarantined && (flags & RECORD_FLAG_INACCESSIBLE))
        *none_why = "its pages cannot be touched by anybody: an access would have been told at once";
    else if (block->address < 16 || size > UINT64_MAX - block->address - LONGEST)
        *none_why = "its record makes no sense";
    else if (records->image->contents_removed)
        *none_why = "the dump was made without contents";
    else if (core_lost_block(records, block->address, size))
        *none_why = "gdb, which made the core, did not copy it";
    if (*none_why)
        return 0;
    if (region->engine == RECORD_ENGINE_GUARDED) {
        uint64_t start = block->address / page * page, limit = (end + page - 1) / page * page;
        zones[n++] = (struct zone){"guard in front", start, block->address - start, 0, WITNESS_BYTE};
        zones[n++] = (struct zone){"guard behind", end, limit - end, 0, WITNESS_BYTE};
        return n;
    }
    if (anchor->front_guard == 16) {
        zones[n++] = (struct zone){"magic word", block->address - 16, 8, witness_word(block->address, quarantined ? WITNESS_FREE : WITNESS_USED), 0};
        zones[n++] = (struct zone){"guard in front", block->address - 8, 8, 0, WITNESS_BYTE};
    }
    if (quarantined && anchor->fill_free <= 255 && size)
        zones[n++] = (struct zone){"fill", block->address, size < WITNESS_FILL_MAX ? size : WITNESS_FILL_MAX, 0, (uint8_t)anchor->fill_free};
    zones[n++] = (struct zone){"guard behind", end, rear_zone(records, region, block), 0, WITNESS_BYTE};
    return n;
}

static void look(const struct records *records, const struct walked *block, struct witnesses *witnesses)
{
    struct zone zones[MOST_ZONES];
    uint64_t size = walked_size(block);
    memset(witnesses, 0, sizeof *witnesses);
    witnesses->n_contents = image_read(records->image, block->address, witnesses->contents,
                                       size < WITNESS_SHOWN ? (size_t)size : WITNESS_SHOWN);
    size_t n = zones_of(records, block, zones, &witnesses->none_why);
    for (size_t i = 0; i < n; i++)
        if (zones[i].word)
            magic(records, block, witnesses, &zones[i]);
        else
            compare(records, witnesses, &zones[i]);
}

void witnesses_read(const struct records *records, const struct walked *block, struct witnesses *witnesses)
{
    look(records, block, witnesses);
    if (records->image->guards_unseen)
        forgive_missing(witnesses);
}

/* [address, address + n) of the image's memory, n <= WITNESSES_WINDOW; NULL: it is not all there. */
static const uint8_t *view(const struct records *records, struct witnesses_window *window, uint64_t address, size_t n)
{
    if (address < window->start || address - window->start > window->n || n > window->n - (size_t)(address - window->start)) {
        window->start = address;
        window->n = image_read(records->image, address, window->bytes, sizeof window->bytes);
    }
    return n <= window->n ? window->bytes : NULL;
}

static bool is_intact(const struct records *records, struct witnesses_window *window, const struct zone *zone)
{
    for (uint64_t done = 0; done < zone->n;) {
        size_t n = zone->n - done < WITNESSES_WINDOW ? (size_t)(zone->n - done) : WITNESSES_WINDOW;
        const uint8_t *all = view(records, window, zone->address + done, n);
        if (!all)
            return true;    /* nothing is known of it */
        const uint8_t *bytes = all + (zone->address + done - window->start);
        uint64_t word;
        memcpy(&word, bytes, zone->word ? 8 : 0);
        if (zone->word ? word != zone->word : bytes[0] != zone->expected || memcmp(bytes, bytes + 1, n - 1) != 0)
            return false;
        done += n;
    }
    return true;
}

bool witnesses_intact(const struct records *records, const struct walked *block, struct witnesses_window *window)
{
    struct zone zones[MOST_ZONES];
    const char *none_why;
    size_t n = zones_of(records, block, zones, &none_why);
    for (size_t i = 0; i < n; i++)
        if (!is_intact(records, window, &zones[i]))
            return false;
    return true;
}
