/* From blocks to leak records: blocks of one kind with one allocation stack together.
 *
 *   1. Each indirectly lost block is charged to the definite one it hangs on: sums by leader, numbered in leader[] of the leaders.
 *      Where some of those blocks may be excused (suppressed, and what hangs on them with them), the block records are streamed
 *      for the stacks of these leaders, and each is asked about.
 *   2. The block records are streamed once more for the allocation stack of every living block, and summed by (kind, stack). Threads
 *      take one region after the other; each has sums of its own, which are added up in the end (leak_tally.c).
 *   3. Records whose stacks read the same are merged, and all are sorted, largest first.
 *
 * Where lost blocks lead to others, their cycles and what each definitely lost one retains are found first (leak_flow.c).
 *
 * What only a stack holds makes records of its own; its largest slots are listed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "image_stream.h"
#include "leak_flow.h"
#include "leak_graph.h"
#include "leak_tally.h"
#include "memory.h"

struct numbered_slot {
    uint32_t block;
    uint32_t slot;              /* index into result->slots */
};

/* What all threads read. */
struct grouping {
    struct graph *graph;
    size_t *runs;               /* [n_runs]: the first extent of each region, and of what lies in none */
    size_t n_runs;
    atomic_size_t next;         /* runs to be taken */
    size_t batch;               /* so many at a time: the records of neighbours lie side by side */
    struct leak_total *indirect;/* by leader[] of the leaders; entry 0 is not used */
    size_t n_indirect;
    uint8_t *excused;           /* by the same numbers: 1: that leader is excused. NULL: none is */
    bool asking;                /* records are streamed to find these out */
    struct flow flow;           /* of lost blocks; empty: none leads to another, or there was no memory */
    struct numbered_slot *by_block; /* result->slots by their blocks' numbers; NULL: there are none */
};

/* What each has for itself. */
struct counter {
    struct grouping *grouping;
    struct tally tally;
    struct leaks sums;          /* totals, ignored, excused, inherited, stack_only; the rest is not used */
    struct image_stream stream;
    pthread_t thread;
};

/* ---- indirect blocks ---- */

static bool any_indirect(const struct graph *graph)
{
    size_t n = 0;
    for (uint32_t block = 0; block < graph->n; block++)
        n += graph_is_indirect(graph, block);
    return n != 0;
}

/* Where no block is indirectly lost, leader[] is left as it is: nothing looks at it then (n_indirect is 0). */
static void charge_leaders(struct grouping *grouping)
{
    struct graph *graph = grouping->graph;
    size_t room = 0;
    if (!any_indirect(graph))
        return;
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

/* ---- counting ---- */

static void total_add(struct leak_total *total, uint64_t bytes)
{
    total->bytes += bytes;
    total->blocks++;
}

/* Asks about a leader, once for each stack: the answer is kept in `example` of a record that is thrown away afterwards. */
static void ask_excused(struct counter *counter, uint32_t leader, const struct record_block *record)
{
    struct grouping *grouping = counter->grouping;
    enum { NO = 1, YES };
    const struct leaks_options *options = grouping->graph->options;
    uint8_t allocator = (uint8_t)record_head_allocator(record->head);
    struct leak_record *answer = tally_record(&counter->tally, LEAK_DEFINITE, false, record->alloc_stack);
    if (!answer->example)
        answer->example = options->excused(options->ctx, record->alloc_stack, allocator) ? YES : NO;
    grouping->excused[leader] = answer->example == YES;
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
    if (cycle->blocks > cycles->largest || (cycle->blocks == cycles->largest && address < cycles->entry)) {
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
    if (!grouping->n_indirect)
        return;
    for (uint32_t block = 0; block < graph->n; block++)
        lost += !(graph->marks[block] & MARKS_HELD);
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

/* The leader of an indirectly lost block: charge_leaders() left the way to it one step long. */
static uint32_t leader_of(const struct graph *graph, uint32_t block)
{
    return graph->leader[block];
}

static void count_block(struct counter *counter, uint32_t block, uint64_t address, const struct record_block *record)
{
    struct grouping *grouping = counter->grouping;
    const struct graph *graph = grouping->graph;
    struct leaks *sums = &counter->sums;
    uint8_t marks = graph->marks[block];
    uint64_t size = graph_size(graph, block);
    enum leak_kind kind = graph_kind(graph, block);
    if (marks & MARKS_HIDDEN)
        return;
    if (grouping->asking) {
        if (kind == LEAK_DEFINITE && graph->leader[block] && !(marks & (MARK_IGNORED | MARK_INHERITED)))
            ask_excused(counter, graph->leader[block], record);
        return;
    }
    if (marks & MARK_IGNORED) {
        total_add(&sums->ignored, size);
        return;
    }
    if ((marks & MARK_INHERITED) && kind != LEAK_REACHABLE) {
        total_add(&sums->inherited, size);
        return;
    }
    if (kind == LEAK_INDIRECT && grouping->excused && grouping->excused[graph->leader[leader_of(graph, block)]]) {
        total_add(&sums->excused, size);
        return;
    }
    /* A register of a thread that could not be stopped may hold what seems lost. */
    kind = graph_told_kind(graph, block);
    total_add(&sums->totals[kind], size);
    bool stack_only = kind == LEAK_REACHABLE && (marks & MARK_STACK_ONLY);
    if (stack_only) {
        total_add(&sums->stack_only, size);
        if (grouping->by_block)
            note_slot(grouping, block, record);
    }
    struct leak_record *group = tally_record(&counter->tally, kind, stack_only, record->alloc_stack);
    if (!group->blocks || address < group->example) {
        group->example = address;
        group->allocator = (uint8_t)record_head_allocator(record->head);
    }
    group->bytes += size;
    group->blocks++;
    if (grouping->flow.n && (kind == LEAK_DEFINITE || kind == LEAK_INDIRECT))
        add_flow(grouping, group, block, address);
    if (kind == LEAK_DEFINITE && grouping->n_indirect && graph->leader[block]) {
        group->indirect_bytes += grouping->indirect[graph->leader[block]].bytes;
        group->indirect_blocks += grouping->indirect[graph->leader[block]].blocks;
    }
}

/* ---- streaming the records again ---- */

static void group_uniform(struct counter *counter, const struct extent *extent, const struct record_region *region)
{
    const void *records;
    const uint32_t batch = STREAM_MOST / sizeof(struct record_block) / 64 * 64;
    uint32_t block = extent->first;
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t n = region->slots - done < batch ? region->slots - done : batch;
        records = stream_at(&counter->stream, region->records + (uint64_t)done * region->record_bytes, (size_t)n * region->record_bytes);
        for (uint32_t first = 0; first < n; first += 64) {
            for (uint64_t left = extent->words[(done + first) / 64].live; left; left &= left - 1) {
                uint32_t slot = first + (uint32_t)__builtin_ctzll(left);
                struct record_block record = region_record(region, records, slot);
                count_block(counter, block++, extent->base + (uint64_t)(done + slot) * extent->stride + extent->user_offset, &record);
            }
        }
    }
}

/* A block of more than 4 GiB that has a uniform region to itself. */
static void group_single(struct counter *counter, const struct extent *extent, const struct record_region *region)
{
    struct record_block record = {0};
    region_read_record(counter->grouping->graph->records, region, 0, &record);
    count_block(counter, extent->first, extent->base + extent->user_offset, &record);
}

/* All extents of one placed region: each living record is found by its address. What was not there when the blocks were numbered
 * is passed over. */
static void group_placed(struct counter *counter, const struct record_region *region, uint32_t first, uint32_t end)
{
    struct graph *graph = counter->grouping->graph;
    const struct record_placed *records;
    const uint32_t batch = STREAM_MOST / sizeof *records;
    uint8_t *counted = memory_new((end - first) / 8 + 1, 1);
    for (uint32_t done = 0; done < region->slots; done += batch) {
        uint32_t n = region->slots - done < batch ? region->slots - done : batch;
        records = stream_at(&counter->stream, region->records + (uint64_t)done * sizeof *records, n * sizeof *records);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t offset;
            if (record_head_state(records[i].block.head) != RECORD_BLOCK_LIVE)
                continue;
            uint32_t block = graph_find(graph, records[i].address, &offset);
            if (block == NO_BLOCK || offset || graph_object(graph, records[i].address) || block < first || block >= end || counted[(block - first) / 8] & 1u << (block - first) % 8)
                continue;
            counted[(block - first) / 8] |= (uint8_t)(1u << (block - first) % 8);
            count_block(counter, block, records[i].address, &records[i].block);
        }
    }
    free(counted);
}

/* An extent with objects of pools among its blocks: each block by itself. region: NULL: all are objects. */
static void group_mixed(struct counter *counter, const struct extent *extent, const struct record_region *region)
{
    struct graph *graph = counter->grouping->graph;
    for (uint32_t i = 0; i < extent->n; i++) {
        uint64_t address = extent->base + extent->offsets[i];
        const struct record_object *object = graph_object(graph, address);
        struct record_block record = {0};
        if (object)
            count_block(counter, extent->first + i, address, &object->block);
        else if (region && region->stride
                 && region_read_record(graph->records, region, (address - region->base) / region->stride, &record))
            count_block(counter, extent->first + i, address, &record);
    }
}

/* The extents of one region. */
static void group_run(struct counter *counter, size_t run)
{
    const struct grouping *grouping = counter->grouping;
    const struct graph *graph = grouping->graph;
    size_t first = grouping->runs[run], next = run + 1 < grouping->n_runs ? grouping->runs[run + 1] : graph->n_extents;
    const struct extent *extent = &graph->extents[first], *last = &graph->extents[next - 1];
    const struct record_region *region = extent->region == NO_REGION ? NULL : &graph->records->regions[extent->region];
    for (size_t k = first; k < next && extent->mixed; k++)
        group_mixed(counter, &graph->extents[k], region);
    if (extent->mixed && (!region || region->stride))
        return;
    if (extent->words)
        group_uniform(counter, extent, region);
    else if (region->stride)
        group_single(counter, extent, region);
    else
        group_placed(counter, region, extent->first, last->first + last->n);
}

static void *group_runs(void *argument)
{
    struct counter *counter = argument;
    struct grouping *grouping = counter->grouping;
    for (size_t first; (first = atomic_fetch_add(&grouping->next, grouping->batch)) < grouping->n_runs;)
        for (size_t run = first; run < grouping->n_runs && run < first + grouping->batch; run++)
            group_run(counter, run);
    return NULL;
}

static void sums_join(struct leaks *into, const struct leaks *from)
{
    for (size_t kind = 0; kind < LEAK_KINDS; kind++)
        total_join(&into->totals[kind], from->totals[kind]);
    total_join(&into->ignored, from->ignored);
    total_join(&into->excused, from->excused);
    total_join(&into->inherited, from->inherited);
    total_join(&into->stack_only, from->stack_only);
}

/* Every living block, by up to n threads; what they counted is in the first counter then. */
static void group_all(struct grouping *grouping, struct counter *counters, unsigned n)
{
    unsigned started = 1;
    atomic_store(&grouping->next, 0);
    while (started < n && pthread_create(&counters[started].thread, NULL, group_runs, &counters[started]) == 0)
        started++;
    group_runs(&counters[0]);
    for (unsigned i = 1; i < started; i++) {
        pthread_join(counters[i].thread, NULL);
        tally_join(&counters[0].tally, &counters[i].tally);
        sums_join(&counters[0].sums, &counters[i].sums);
    }
}

/* Extents of one region lie side by side. */
static void find_runs(struct grouping *grouping)
{
    const struct graph *graph = grouping->graph;
    grouping->runs = memory_new(graph->n_extents, sizeof *grouping->runs);
    for (size_t i = 0; i < graph->n_extents; i++)
        if (i == 0 || graph->extents[i].region != graph->extents[i - 1].region)
            grouping->runs[grouping->n_runs++] = i;
}

static void keep_sums(struct leaks *leaks, const struct leaks *sums)
{
    memcpy(leaks->totals, sums->totals, sizeof leaks->totals);
    leaks->ignored = sums->ignored;
    leaks->excused = sums->excused;
    leaks->inherited = sums->inherited;
    leaks->stack_only = sums->stack_only;
}

bool graph_group(struct graph *graph, struct error *error)
{
    struct grouping grouping = {.graph = graph};
    struct counter counters[SCAN_CREW_MOST] = {0};
    unsigned most = scan_crew(graph, graph->units), n = 0;
    for (; n < most && stream_begin(&counters[n].stream, graph->records->image); n++)
        counters[n].grouping = &grouping;
    if (!n) {
        error_set(error, "no memory to group the leaks");
        return false;
    }
    find_runs(&grouping);
    grouping.batch = scan_batch(grouping.n_runs, n);
    charge_leaders(&grouping);
    list_slots(&grouping);
    make_flow(&grouping);
    if (graph->options->excused && grouping.n_indirect && !graph->result->unparked && !graph->result->incomplete) {
        struct tally *answers = &counters[0].tally;
        grouping.excused = memory_new(grouping.n_indirect + 1, 1);
        grouping.asking = true;
        group_all(&grouping, counters, 1);      /* who is asked expects one question at a time */
        grouping.asking = false;
        tally_free_index(answers);
        answers->n = 0;
    }
    group_all(&grouping, counters, n);
    tally_finish(&counters[0].tally, graph->records);
    keep_sums(graph->result, &counters[0].sums);
    graph->result->records = counters[0].tally.list;
    graph->result->n_records = counters[0].tally.n;
    for (unsigned i = 0; i < n; i++) {
        stream_end(&counters[i].stream);
        tally_free_index(&counters[i].tally);
        if (i)
            free(counters[i].tally.list);
    }
    free(grouping.runs);
    free(grouping.indirect);
    free(grouping.excused);
    free(grouping.by_block);
    flow_free(&grouping.flow);
    return true;
}
