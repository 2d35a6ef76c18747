/* The guard zones of an image's blocks, held against the records.
 *
 * What was written beside a block the library notices when the block is freed, when a neighbour is, or at the end; what was written into a
 * freed one when that leaves the quarantine. A process that runs for weeks may be damaged all the time. So who looks into it from outside
 * has its blocks looked at as well, by the witnesses that `midden why` shows of one:
 *
 *   1. every living block and every one in quarantine, in address order, through a window of memory
 *   2. damage becomes a finding as the library would make it (check/fault.c): behind a living block an overflow, in front of it an
 *      underflow, in or around a freed one a use after free; detected by a sweep, with no stack but the block's own
 *   3. of one kind and one allocation stack they are one finding with a count, as far as MOST
 *
 * Limits: an image of a process that ran while it was read proves nothing, and is left alone; so are freed blocks between page guards, whose
 * pages are shut. Damage that the library has told of is not told again: the record says so. */
#include "unseen.h"

#include <stdlib.h>
#include <string.h>

#include "block_walk.h"
#include "memory.h"
#include "witnesses.h"

enum { MOST = 1000 };

static bool stands_still(const struct image *image)
{
    return image->pid == 0 || image->snapshot.frozen || image->snapshot.parked;
}

static bool is_to_be_looked_at(const struct records *records, const struct walked *block)
{
    unsigned state = walked_state(block);
    if (record_head_flags(block->block.head) & (RECORD_FLAG_DAMAGED | RECORD_FLAG_INACCESSIBLE))
        return false;
    return state == RECORD_BLOCK_LIVE
        || (state == RECORD_BLOCK_QUARANTINED && records->regions[block->region].engine != RECORD_ENGINE_GUARDED);
}

static void describe(const struct walked *block, const struct witness *witness, struct record_finding *finding)
{
    bool freed = walked_state(block) == RECORD_BLOCK_QUARANTINED, behind = witness->address >= block->address + walked_size(block);
    memset(finding, 0, sizeof *finding);
    finding->state = 2;
    finding->kind = freed ? RECORD_KIND_HEAP_USE_AFTER_FREE : behind ? RECORD_KIND_HEAP_BUFFER_OVERFLOW : RECORD_KIND_HEAP_BUFFER_UNDERFLOW;
    finding->severity = RECORD_SEVERITY_ERROR;
    finding->access = RECORD_ACCESS_WRITE;
    finding->detected = RECORD_AT_SWEEP;
    finding->count = 1;
    finding->address = witness->address + witness->wrong;
    finding->size = witness->n_wrong;
    finding->call_size = RECORD_UNKNOWN;
    finding->block_address = block->address;
    finding->block = block->block;
    finding->offset = (int64_t)(finding->address - block->address);
    /* The picture, as far as it was kept: a whole magic word, or from the first damaged byte on. */
    size_t from = witness->expected_word || witness->wrong < witness->shown_from ? 0 : witness->wrong - witness->shown_from;
    size_t n = from < witness->n_shown ? witness->n_shown - from : 0, wanted = witness->expected_word ? 8 : witness->n_wrong;
    n = n < wanted ? n : wanted;
    n = n < RECORD_DAMAGE_BYTES ? n : RECORD_DAMAGE_BYTES;
    finding->damage_address = witness->address + witness->shown_from + from;
    finding->damage_bytes = (uint32_t)n;
    memcpy(finding->damage, witness->bytes + from, n);
    finding->expected = witness->expected;
    finding->expected_word = witness->expected_word;
}

static void add(struct records *records, const struct record_finding *finding)
{
    for (size_t i = 0; i < records->n_unseen; i++) {
        struct record_finding *known = &records->unseen[i];
        if (known->kind == finding->kind && known->block.alloc_stack == finding->block.alloc_stack
            && known->block.free_stack == finding->block.free_stack) {
            known->count++;
            return;
        }
    }
    if (records->n_unseen == MOST)
        return;
    records->unseen = memory_resize(records->unseen, records->n_unseen + 1, sizeof *records->unseen);
    records->unseen[records->n_unseen++] = *finding;
}

void unseen_look(struct records *records)
{
    if (records->unseen || !records->anchor.rear_guard || !stands_still(records->image))
        return;
    struct witnesses_window *window = memory_new(1, sizeof *window);
    struct block_walk walk;
    struct walked block;
    block_walk_start(&walk, records);
    while (block_walk_next(&walk, &block)) {
        struct witnesses witnesses;
        if (!is_to_be_looked_at(records, &block) || witnesses_intact(records, &block, window))
            continue;
        witnesses_read(records, &block, &witnesses);
        for (size_t i = 0; i < witnesses.n; i++)
            if (witnesses.list[i].state == WITNESS_DAMAGED) {
                struct record_finding finding;
                describe(&block, &witnesses.list[i], &finding);
                add(records, &finding);
                break;
            }
    }
    block_walk_end(&walk);
    free(window);
}
