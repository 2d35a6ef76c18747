/* From blocks to leak records: blocks of one kind with one allocation stack together.
 *
 *   1. Each indirectly lost block is charged to the definite one it hangs on: sums by leader, numbered in leader[] of the leaders.
 *      Where some of those blocks may be excused (suppressed, and what hangs on them with them), the block records are streamed
 *      for the stacks of these leaders, and each is asked about.
 *   2. The block records are streamed once more for the allocation stack of every living block, and summed in a hash table by
 *      (kind, stack).
 *   3. The depot may hold the same stack twice, under two numbers (it is written without a lock): records whose stacks read the
 *      same are merged.
 *   4. Sorted, largest first.
 *
 * Where lost blocks lead to others, their cycles and what each definitely lost one retains are found first (leak_flow.c).
 *
 * What only a stack holds makes records of its own; its largest slots are listed. */
#include <stdlib.h>
#include <string.h>

#include "format/site.h"
#include "leak_flow.h"
#include "leak_graph.h"
#include "memory.h"

#define BUFFER_BYTES ((size_t)1 << 20)

struct numbered_slot {
    uint32_t block;
    uint32_t slot;              /* index into result->slots */
};

struct grouping {
    struct graph *graph;
    uint32_t *slots;            /* hash table: number of the record + 1, 0: empty */
    size_t mask;
    struct leak_record *list;
    size_t n, room;
    struct leak_total *indirect;/* by leader[] of the leaders; entry 0 is not used */
    size_t n_indirect;
    uint8_t *excused;           /* by the same numbers: 1: that leader is excused. NULL: none is */
    bool asking;                /* records are streamed to find these out */
    struct flow flow;           /* of lost blocks; empty: none leads to another, or there was no memory */
    struct numbered_slot *by_block; /* result->slots by their blocks' numbers; NULL: there are none */
};

/* ---- indirect blocks ---- */

static void charge_leaders(struct grouping *grouping)
{
    struct graph *graph = grouping->graph;
    size_t room = 0;
    for (uint32_t block = 0; block < graph->n; block++)
        if (!graph_is_indirect(graph, block))
            graph->leader[block] = 0;   /* was the mark stack; now a leader's number */
    for (uint32_t block = 0; block < graph->n; block++) {
        if (!graph_is_indirect(graph, block))
            continue;
        uint32_t leader = graph_leader(graph, block);
        if (!graph->leader[leader]) {
            if (grouping->n_indirect + 1 >= room)
                grouping->indirect = memory_resize(grouping->indirect, room = room ? 2 * room : 1024, sizeof *grouping->indirect);
            graph->leader[leader] = (uint32_t)++grouping->n_indirect;
            grouping->indirect[grouping->n_indirect] = (struct leak_total){0, 0};
        }
        struct leak_total *sum = &grouping->indirect[graph->leader[leader]];
        sum->bytes += graph_size(graph, block);
        sum->blocks++;
    }
}

/* ---- slots ---- */

static int by_bytes(const void *left, const void *right)
{
    const struct stack_seed *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->root != b->root)
        return a->root < b->root ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

static int by_block(const void *left, const void *right)
{
    const struct numbered_slot *a = left, *b = right;
    return a->block < b->block ? -1 : a->block > b->block;
}

/* The largest slots. Their blocks' stacks come when the records are streamed. */
static void list_slots(struct grouping *grouping)
{
    static const enum leak_slot_kind kinds[] = {
        [ROOT_STACK] = LEAK_SLOT_STACK, [ROOT_CONTEXT] = LEAK_SLOT_CONTEXT, [ROOT_STACK_BLOCK] = LEAK_SLOT_RUNNING,
        [ROOT_REGISTERS] = LEAK_SLOT_REGISTER,
    };
    struct graph *graph = grouping->graph;
    struct leaks *leaks = graph->result;
    if (!graph->n_seeds)
        return;
    qsort(graph->seeds, graph->n_seeds, sizeof *graph->seeds, by_bytes);
    leaks->n_slots = graph->n_seeds < LEAK_SLOTS_MOST ? graph->n_seeds : LEAK_SLOTS_MOST;
    leaks->more_slots = graph->n_seeds - leaks->n_slots;
    leaks->slots = memory_new(leaks->n_slots, sizeof *leaks->slots);
    grouping->by_block = memory_new(leaks->n_slots, sizeof *grouping->by_block);
    for (size_t i = 0; i < leaks->n_slots; i++) {
        const struct stack_seed *seed = &graph->seeds[i];
        const struct root *root = &graph->roots[seed->root];
        leaks->slots[i] = (struct leak_slot){.kind = kinds[root->kind], .thread = root->thread, .address = seed->address,
                                             .block = graph_address(graph, seed->block), .size = graph_size(graph, seed->block),
                                             .bytes = seed->bytes, .blocks = seed->blocks};
        grouping->by_block[i] = (struct numbered_slot){seed->block, (uint32_t)i};
    }
    qsort(grouping->by_block, leaks->n_slots, sizeof *grouping->by_block, by_block);
}

static void note_slot(struct grouping *grouping, uint32_t block, const struct record_block *record)
{
    const struct numbered_slot wanted = {block, 0};
    const struct leaks *leaks = grouping->graph->result;
    const struct numbered_slot *found = bsearch(&wanted, grouping->by_block, leaks->n_slots, sizeof wanted, by_block);
    if (!found)
        return;
    leaks->slots[found->slot].stack = record->alloc_stack;
    leaks->slots[found->slot].allocator = (uint8_t)record_head_allocator(record->head);
}

/* ---- the table ---- */

static uint64_t key_hash(enum leak_kind kind, bool stack_only, uint32_t stack)
{
    return site_mix((uint64_t)stack << 4 | (uint64_t)stack_only << 3 | (uint64_t)kind);
}

static void grow(struct grouping *grouping)
{
    size_t size = grouping->mask ? 2 * (grouping->mask + 1) : 4096;
    free(grouping->slots);
    grouping->slots = memory_new(size, sizeof *grouping->slots);
    grouping->mask = size - 1;
    for (size_t i = 0; i < grouping->n; i++) {
        size_t at = key_hash(grouping->list[i].kind, grouping->list[i].stack_only, grouping->list[i].stack) & grouping->mask;
        while (grouping->slots[at])
            at = (at + 1) & grouping->mask;
        grouping->slots[at] = (uint32_t)i + 1;
    }
}

static struct leak_record *record_for(struct grouping *grouping, enum leak_kind kind, bool stack_only, uint32_t stack)
{
    if (2 * grouping->n >= grouping->mask)
        grow(grouping);
    size_t at = key_hash(kind, stack_only, stack) & grouping->mask;
    for (; grouping->slots[at]; at = (at + 1) & grouping->mask) {
        struct leak_record *record = &grouping->list[grouping->slots[at] - 1];
        if (record->kind == kind && record->stack_only == stack_only && record->stack == stack)
            return record;
    }
    if (grouping->n == grouping->room)
        grouping->list = memory_resize(grouping->list, grouping->room = grouping->room ? 2 * grouping->room : 1024, sizeof *grouping->list);
    grouping->list[grouping->n] = (struct leak_record){.kind = kind, .stack_only = stack_only, .stack = stack};
    grouping->slots[at] = (uint32_t)++grouping->n;
    return &grouping->list[grouping->n - 1];
}

static void total_add(struct leak_total *total, uint64_t bytes)
{
    total->bytes += bytes;
    total->blocks++;
}

/* Asks about a leader, once for each stack: the answer is kept in `example` of a record that is thrown away afterwards. */
static void ask_excused(struct grouping *grouping, uint32_t leader, const struct record_block *record)
{
    enum { NO = 1, YES };
    const struct leaks_options *options = grouping->graph->options;
    uint8_t allocator = (uint8_t)record_head_allocator(record->head);
    struct leak_record *answer = record_for(grouping, LEAK_DEFINITE, false, record->alloc_stack);
    if (!answer->example)
        answer->example = options->excused(options->ctx, record->alloc_stack, allocator) ? YES : NO;
    grouping->excused[leader] = answer->example == YES;
}

static void total_join(struct leak_total *total, struct leak_total more)
{
    total->bytes += more.bytes;
    total->blocks += more.blocks;
}

/* What a lost block retains, and the cycle that it is the entry of. */
static void add_flow(const struct grouping *grouping, struct leak_record *group, uint32_t block, uint64_t address)
{
    const struct flow *flow = &grouping->flow;
    const struct flow_cycle *cycle = flow_cycle_at(flow, block);
    if (group->kind == LEAK_DEFINITE)
        total_join(&group->retained, flow_retained(flow, block));
    if (!cycle)
        return;
    struct leak_cycles *cycles = &group->cycles;
    if (cycle->blocks > cycles->largest) {
        cycles->largest = cycle->blocks;
        cycles->entry = address;
    }
    cycles->cycles++;
    total_join(&cycles->members, (struct leak_total){cycle->bytes, cycle->blocks});
    total_join(&cycles->retained, cycle->retained);
}

/* Lost blocks up to which cycles are looked for with every leak check: it takes some 40 bytes for each. */
#define FLOW_BLOCKS_MOST 2000000u

/* Of lost blocks that lead to others. Reports do without it where memory does not suffice. */
static void make_flow(struct grouping *grouping)
{
    const struct graph *graph = grouping->graph;
    uint32_t lost = 0, n = 0, *starts;
    for (uint32_t block = 0; block < graph->n; block++)
        lost += !(graph->marks[block] & MARKS_HELD);
    if (!grouping->n_indirect)
        return;
    if (lost > FLOW_BLOCKS_MOST) {
        records_problem(graph->records, "%u blocks are lost: cycles among them, and what each retains, were not worked out", lost);
        return;
    }
    starts = memory_try(lost, sizeof *starts);
    for (uint32_t block = 0; starts && block < graph->n; block++)
        if (!(graph->marks[block] & (MARKS_HELD | MARK_INDIRECT)))
            starts[n++] = block;
    if (starts)
        flow_make(&grouping->flow, graph, starts, n, MARKS_HELD);
    free(starts);
}

static void count_block(struct grouping *grouping, uint32_t block, uint64_t address, const struct record_block *record)
{
    struct graph *graph = grouping->graph;
    struct leaks *leaks = graph->result;
    uint8_t marks = graph->marks[block];
    uint64_t size = graph_size(graph, block);
    enum leak_kind kind = graph_kind(graph, block);
    if (marks & MARKS_HIDDEN)
        return;
    if (grouping->asking) {
        if (kind == LEAK_DEFINITE && graph->leader[block] && !(marks & (MARK_IGNORED | MARK_INHERITED)))
            ask_excused(grouping, graph->leader[block], record);
        return;
    }
    if (marks & MARK_IGNORED) {
        total_add(&leaks->ignored, size);
        return;
    }
    if ((marks & MARK_INHERITED) && kind != LEAK_REACHABLE) {
        total_add(&leaks->inherited, size);
        return;
    }
    if (kind == LEAK_INDIRECT && grouping->excused && grouping->excused[graph->leader[graph_leader(graph, block)]]) {
        total_add(&leaks->excused, size);
        return;
    }
    /* A register of a thread that could not be stopped may hold what seems lost. */
    kind = graph_told_kind(graph, block);
    total_add(&leaks->totals[kind], size);
    bool stack_only = kind == LEAK_REACHABLE && (marks & MARK_STACK_ONLY);
    if (stack_only) {
        total_add(&leaks->stack_only, size);
        if (grouping->by_block)
            note_slot(grouping, block, record);
    }
    struct leak_record *group = record_for(grouping, kind, stack_only, record->alloc_stack);
    if (!group->blocks) {
        group->example = address;
        group->allocator = (uint8_t)record_head_allocator(record->head);
    }
    group->bytes += size;
    group->blocks++;
    if (grouping->flow.n && (kind == LEAK_DEFINITE || kind == LEAK_INDIRECT))
        add_flow(grouping, group, block, address);
    if (kind == LEAK_DEFINITE && graph->leader[block]) {
        group->indirect_bytes += grouping->indirect[graph->leader[block]].bytes;
        group->indirect_blocks += grouping->indirect[graph->leader[block]].blocks;
    }
}

/* ---- streaming the records again ---- */

static void group_uniform(struct grouping *grouping, const struct extent *extent, const struct record_region *region, uint8_t *buffer)
{
    struct record_block *records = (struct record_block *)buffer;
    const uint32_t batch = BUFFER_BYTES / sizeof *records / 64 * 64;
    uint32_t block = extent->first;
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t n = region->slots - done < batch ? region->slots - done : batch;
        image_read_around(grouping->graph->records->image, region->records + (uint64_t)done * sizeof *records, records, n * sizeof *records);
        for (uint32_t first = 0; first < n; first += 64) {
            for (uint64_t left = extent->words[(done + first) / 64].live; left; left &= left - 1) {
                uint32_t slot = first + (uint32_t)__builtin_ctzll(left);
                count_block(grouping, block++, extent->base + (uint64_t)(done + slot) * extent->stride + extent->user_offset, &records[slot]);
            }
        }
    }
}

/* A block of more than 4 GiB that has a uniform region to itself. */
static void group_single(struct grouping *grouping, const struct extent *extent, const struct record_region *region)
{
    struct record_block record = {0};
    if (!image_read_all(grouping->graph->records->image, region->records, &record, sizeof record))
        record.alloc_stack = 0;
    count_block(grouping, extent->first, extent->base + extent->user_offset, &record);
}

/* All extents of one placed region: each living record is found by its address. What was not there when the blocks were numbered
 * is passed over. */
static void group_placed(struct grouping *grouping, const struct record_region *region, uint32_t first, uint32_t end, uint8_t *buffer)
{
    struct graph *graph = grouping->graph;
    struct record_placed *records = (struct record_placed *)buffer;
    const uint32_t batch = BUFFER_BYTES / sizeof *records;
    uint8_t *counted = memory_new((end - first) / 8 + 1, 1);
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t n = region->slots - done < batch ? region->slots - done : batch;
        image_read_around(graph->records->image, region->records + (uint64_t)done * sizeof *records, records, n * sizeof *records);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t offset;
            if (record_head_state(records[i].block.head) != RECORD_BLOCK_LIVE)
                continue;
            uint32_t block = graph_find(graph, records[i].address, &offset);
            if (block == NO_BLOCK || offset || graph_object(graph, records[i].address) || block < first || block >= end || counted[(block - first) / 8] & 1u << (block - first) % 8)
                continue;
            counted[(block - first) / 8] |= (uint8_t)(1u << (block - first) % 8);
            count_block(grouping, block, records[i].address, &records[i].block);
        }
    }
    free(counted);
}

/* An extent with objects of pools among its blocks: each block by itself. region: NULL: all are objects. */
static void group_mixed(struct grouping *grouping, const struct extent *extent, const struct record_region *region)
{
    struct graph *graph = grouping->graph;
    for (uint32_t i = 0; i < extent->n; i++) {
        uint64_t address = extent->base + extent->offsets[i];
        const struct record_object *object = graph_object(graph, address);
        struct record_block record = {0};
        if (object)
            count_block(grouping, extent->first + i, address, &object->block);
        else if (region && region->stride
                 && image_read_all(graph->records->image, region->records + (address - region->base) / region->stride * sizeof record,
                                   &record, sizeof record))
            count_block(grouping, extent->first + i, address, &record);
    }
}

static void group_all(struct grouping *grouping, uint8_t *buffer)
{
    struct graph *graph = grouping->graph;
    for (size_t i = 0, next; i < graph->n_extents; i = next) {
        const struct extent *extent = &graph->extents[i];
        const struct record_region *region = extent->region == NO_REGION ? NULL : &graph->records->regions[extent->region];
        for (next = i + 1; next < graph->n_extents && graph->extents[next].region == extent->region; next++) {}
        for (size_t k = i; k < next && extent->mixed; k++)
            group_mixed(grouping, &graph->extents[k], region);
        if (extent->mixed && (!region || region->stride))
            continue;
        if (extent->words)
            group_uniform(grouping, extent, region, buffer);
        else if (region->stride)
            group_single(grouping, extent, region);
        else
            group_placed(grouping, region, extent->first, graph->extents[next - 1].first + graph->extents[next - 1].n, buffer);
    }
}

/* ---- stacks that read the same ---- */

struct keyed {
    uint64_t hash;
    struct leak_record record;
};

static uint64_t stack_hash(struct records *records, uint32_t stack)
{
    const struct record_node *nodes[RECORDS_STACK_MAX];
    size_t n = records_stack(records, stack, nodes, RECORDS_STACK_MAX);
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++)
        hash = site_mix(hash ^ site_mix(nodes[i]->place));
    return hash;
}

static bool same_stack(struct records *records, uint32_t a, uint32_t b)
{
    const struct record_node *left[RECORDS_STACK_MAX], *right[RECORDS_STACK_MAX];
    size_t n = records_stack(records, a, left, RECORDS_STACK_MAX);
    if (records_stack(records, b, right, RECORDS_STACK_MAX) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (left[i]->place != right[i]->place)
            return false;
    return true;
}

static int by_key(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    if (a->record.kind != b->record.kind)
        return a->record.kind < b->record.kind ? -1 : 1;
    if (a->record.stack_only != b->record.stack_only)
        return a->record.stack_only ? 1 : -1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->record.stack < b->record.stack ? -1 : a->record.stack > b->record.stack;
}

static int by_loss(const void *left, const void *right)
{
    const struct leak_record *a = left, *b = right;
    uint64_t lost_a = a->bytes + a->indirect_bytes, lost_b = b->bytes + b->indirect_bytes;
    if (lost_a != lost_b)
        return lost_a > lost_b ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->example < b->example ? -1 : a->example > b->example;
}

static void merge_same(struct grouping *grouping)
{
    struct records *records = grouping->graph->records;
    struct keyed *keyed = memory_new(grouping->n, sizeof *keyed);
    for (size_t i = 0; i < grouping->n; i++)
        keyed[i] = (struct keyed){stack_hash(records, grouping->list[i].stack), grouping->list[i]};
    qsort(keyed, grouping->n, sizeof *keyed, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < grouping->n; i++) {
        const struct leak_record *record = &keyed[i].record;
        struct leak_record *last = kept ? &grouping->list[kept - 1] : NULL;
        if (last && last->kind == record->kind && last->stack_only == record->stack_only && keyed[i].hash == keyed[i - 1].hash && same_stack(records, last->stack, record->stack)) {
            last->bytes += record->bytes;
            last->blocks += record->blocks;
            last->indirect_bytes += record->indirect_bytes;
            last->indirect_blocks += record->indirect_blocks;
            total_join(&last->retained, record->retained);
            if (record->cycles.largest > last->cycles.largest) {
                last->cycles.largest = record->cycles.largest;
                last->cycles.entry = record->cycles.entry;
            }
            last->cycles.cycles += record->cycles.cycles;
            total_join(&last->cycles.members, record->cycles.members);
            total_join(&last->cycles.retained, record->cycles.retained);
            if (record->example < last->example)
                last->example = record->example;
        } else {
            grouping->list[kept++] = *record;
        }
    }
    free(keyed);
    grouping->n = kept;
    if (kept)
        qsort(grouping->list, kept, sizeof *grouping->list, by_loss);
}

bool graph_group(struct graph *graph, struct error *error)
{
    struct grouping grouping = {.graph = graph};
    uint8_t *buffer = memory_try(1, BUFFER_BYTES);
    if (!buffer) {
        error_set(error, "no memory to group the leaks");
        return false;
    }
    charge_leaders(&grouping);
    list_slots(&grouping);
    make_flow(&grouping);
    if (graph->options->excused && grouping.n_indirect && !graph->result->unparked && !graph->result->incomplete) {
        grouping.excused = memory_new(grouping.n_indirect + 1, 1);
        grouping.asking = true;
        group_all(&grouping, buffer);
        grouping.asking = false;
        free(grouping.slots);
        grouping.slots = NULL;
        grouping.mask = grouping.n = 0;
    }
    group_all(&grouping, buffer);
    merge_same(&grouping);
    graph->result->records = grouping.list;
    graph->result->n_records = grouping.n;
    free(buffer);
    free(grouping.slots);
    free(grouping.indirect);
    free(grouping.excused);
    free(grouping.by_block);
    flow_free(&grouping.flow);
    return true;
}
