/* See fake_story.h. Nothing here depends on the machine: the golden outputs are made from it. */
#include "fake_story.h"

#include <signal.h>
#include <string.h>

struct teller {
    struct fake *fake;
    uint32_t stacks[8];
    uint64_t slots, records;    /* of the uniform region */
};

static void tell_modules(struct teller *teller)
{
    struct fake *fake = teller->fake;
    struct record_module program = {.bias = 0x5500000000, .start = 0x5500000000, .end = 0x5500010000, .flags = RECORD_MODULE_MAIN,
                                    .path = fake_string(fake, "/nowhere/program", 16), .loaded = 1, .build_id_bytes = 4, .build_id = {1, 2, 3, 4}};
    struct record_module plugin = {.bias = 0x6600000000, .start = 0x6600000000, .end = 0x6600010000, .loaded = 2, .unloaded = 3,
                                   .path = fake_string(fake, "/nowhere/\033[31mplugin.so", 23)};
    struct record_module own = {.bias = fake_anchor(fake)->own_start, .start = fake_anchor(fake)->own_start, .end = fake_anchor(fake)->own_end,
                                .flags = RECORD_MODULE_SELF, .path = fake_string(fake, "/opt/lib/libmidden.so", 21), .loaded = 1};
    fake_entry(fake, RECORD_TABLE_MODULES, &program);
    fake_entry(fake, RECORD_TABLE_MODULES, &plugin);
    fake_entry(fake, RECORD_TABLE_MODULES, &own);
}

static void tell_threads(struct teller *teller)
{
    struct fake *fake = teller->fake;
    uint64_t stack = fake_map(fake, 8192, IMAGE_READ | IMAGE_WRITE, "[stack]");
    struct record_thread first = {.tid = 4242, .state = RECORD_THREAD_PARKED, .name = "program", .start_sp = stack + 8000,
                                  .stack_low = stack + 4096, .allocations = 7, .frees = 2, .allocated_bytes = 700, .freed_bytes = 64};
    struct record_thread second = {.tid = 4243, .state = RECORD_THREAD_ENDED, .name = "wor\033ker", .create_stack = teller->stacks[0], .creator = 1};
    fake_entry(fake, RECORD_TABLE_THREADS, &first);
    fake_entry(fake, RECORD_TABLE_THREADS, &second);
}

static void tell_block(struct teller *teller, unsigned slot, uint64_t size, unsigned allocator, unsigned state, unsigned stack)
{
    struct record_block record = {.head = record_head(size, allocator, 0, state), .alloc_stack = teller->stacks[stack],
                                  .free_stack = state > RECORD_BLOCK_LIVE ? teller->stacks[1] : 0, .alloc_thread = 1, .free_thread = 2};
    memcpy(fake_at(teller->fake, teller->records + slot * sizeof record, sizeof record), &record, sizeof record);
}

static uint64_t address(const struct teller *teller, unsigned slot)
{
    return teller->slots + slot * 80 + 16;
}

static void tell_heap(struct teller *teller)
{
    struct fake *fake = teller->fake;
    uint64_t data = fake_map(fake, 4096, IMAGE_READ | IMAGE_WRITE, "/nowhere/program");
    teller->slots = fake_uniform(fake, 80, 32, 16, &teller->records);
    tell_block(teller, 0, 48, RECORD_BY_MALLOC, RECORD_BLOCK_LIVE, 0);      /* reachable */
    tell_block(teller, 1, 40, RECORD_BY_NEW, RECORD_BLOCK_LIVE, 1);         /* possible */
    tell_block(teller, 2, 32, RECORD_BY_CALLOC, RECORD_BLOCK_LIVE, 2);      /* definite, leads to 3 and 4 */
    tell_block(teller, 3, 24, RECORD_BY_CALLOC, RECORD_BLOCK_LIVE, 3);
    tell_block(teller, 4, 16, RECORD_BY_CALLOC, RECORD_BLOCK_LIVE, 3);
    tell_block(teller, 5, 20, RECORD_BY_MALLOC, RECORD_BLOCK_QUARANTINED, 0);
    fake_store(fake, data + 64, address(teller, 0));
    fake_store(fake, data + 72, address(teller, 1) + 16);
    fake_store(fake, address(teller, 2), address(teller, 3));
    fake_store(fake, address(teller, 2) + 8, address(teller, 4));
    uint64_t placed, arena = fake_placed(fake, 65536, 8, &placed);
    struct record_placed one = {arena + 160, {.head = record_head(5000, RECORD_BY_NEW_ARRAY, 0, RECORD_BLOCK_LIVE), .alloc_stack = teller->stacks[4]}};
    memcpy(fake_at(fake, placed + 2 * sizeof one, sizeof one), &one, sizeof one);
}

static struct record_finding about(const struct teller *teller, enum record_kind kind, unsigned slot, uint64_t size, unsigned state, int64_t offset)
{
    uint64_t block = address(teller, slot);
    return (struct record_finding){
        .state = 2, .kind = (uint16_t)kind, .severity = RECORD_SEVERITY_ERROR, .thread = 1, .count = 1, .stack = teller->stacks[2],
        .address = block + (uint64_t)offset, .offset = offset, .size = RECORD_UNKNOWN, .call_size = RECORD_UNKNOWN, .block_address = block,
        .block = {.head = record_head(size, RECORD_BY_MALLOC, 0, state), .alloc_stack = teller->stacks[0],
                  .free_stack = teller->stacks[1], .alloc_thread = 1, .free_thread = 2}};
}

static void tell_damage(const struct teller *teller)
{
    struct fake *fake = teller->fake;
    struct record_finding late = about(teller, RECORD_KIND_HEAP_BUFFER_OVERFLOW, 0, 10, RECORD_BLOCK_LIVE, 10);
    late.access = RECORD_ACCESS_WRITE;
    late.detected = RECORD_AT_FREE;
    late.size = 5;
    late.expected = 0xf5;
    late.damage_address = late.address;
    late.damage_bytes = 5;
    memcpy(late.damage, "AB\xf5" "C\0", 5);
    fake_entry(fake, RECORD_TABLE_FINDINGS, &late);

    struct record_finding magic = about(teller, RECORD_KIND_HEAP_BUFFER_UNDERFLOW, 1, 40, RECORD_BLOCK_LIVE, -12);
    magic.access = RECORD_ACCESS_WRITE;
    magic.detected = RECORD_AT_EXIT;
    magic.size = 4;
    magic.stack = 0;
    magic.expected_word = 0xb10c05ed5afe0001;
    magic.damage_address = magic.block_address - 16;
    magic.damage_bytes = 8;
    memcpy(magic.damage, "\x01\x00\xfe\x5a\x07\x00\x00\x00", 8);
    fake_entry(fake, RECORD_TABLE_FINDINGS, &magic);

    struct record_finding after = about(teller, RECORD_KIND_HEAP_USE_AFTER_FREE, 5, 20, RECORD_BLOCK_QUARANTINED, 8);
    after.access = RECORD_ACCESS_READ;
    after.detected = RECORD_AT_ACCESS;
    after.thread = 2;
    after.count = 3;
    fake_entry(fake, RECORD_TABLE_FINDINGS, &after);
}

static void tell_calls(const struct teller *teller)
{
    struct fake *fake = teller->fake;
    static const struct { enum record_kind kind; unsigned state, call, detail; int64_t offset; uint64_t call_size; } calls[] = {
        {RECORD_KIND_DOUBLE_FREE, RECORD_BLOCK_QUARANTINED, RECORD_BY_FREE, RECORD_DETAIL_NONE, 0, RECORD_UNKNOWN},
        {RECORD_KIND_INTERIOR_FREE, RECORD_BLOCK_LIVE, RECORD_BY_FREE, RECORD_DETAIL_NONE, 16, RECORD_UNKNOWN},
        {RECORD_KIND_INVALID_FREE, RECORD_BLOCK_LIVE, RECORD_BY_REALLOC, RECORD_DETAIL_GUARD, -8, RECORD_UNKNOWN},
        {RECORD_KIND_INVALID_FREE, 0, RECORD_BY_FREE, RECORD_DETAIL_STACK, 0, RECORD_UNKNOWN},
        {RECORD_KIND_ALLOC_DEALLOC_MISMATCH, RECORD_BLOCK_LIVE, RECORD_BY_DELETE_ARRAY, RECORD_DETAIL_NONE, 0, RECORD_UNKNOWN},
        {RECORD_KIND_SIZED_DELETE_MISMATCH, RECORD_BLOCK_LIVE, RECORD_BY_DELETE_SIZED, RECORD_DETAIL_SIZE, 0, 12},
        {RECORD_KIND_BAD_ALLOCATION_SIZE, 0, RECORD_BY_MALLOC, RECORD_DETAIL_NONE, 0, UINT64_MAX - 1},
        {RECORD_KIND_OVERLAPPING_COPY, RECORD_BLOCK_LIVE, 0, RECORD_DETAIL_NONE, 0, 24},
        {RECORD_KIND_INVALID_ACCESS, 0, 0, RECORD_DETAIL_NULL, 0, RECORD_UNKNOWN},
    };
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct record_finding finding = about(teller, calls[i].kind, 5, 20, calls[i].state, calls[i].offset);
        finding.access = RECORD_ACCESS_FREE;
        finding.detected = RECORD_AT_CALL;
        finding.call = (uint8_t)calls[i].call;
        finding.detail = (uint8_t)calls[i].detail;
        finding.call_size = calls[i].call_size;
        if (!calls[i].state)
            finding.block_address = 0;
        if (calls[i].kind == RECORD_KIND_OVERLAPPING_COPY)
            finding.call_name = fake_string(fake, "memcpy", 6);
        if (calls[i].kind == RECORD_KIND_INVALID_ACCESS) {
            finding.signal = SIGSEGV;
            finding.access = RECORD_ACCESS_WRITE;
            finding.address = 8;
        }
        fake_entry(fake, RECORD_TABLE_FINDINGS, &finding);
    }
}

static void tell_rest(struct teller *teller)
{
    struct fake *fake = teller->fake;
    struct record_anchor *anchor = fake_anchor(fake);
    static const char command[] = "./program\0--name=\xff\0two words";
    anchor->cmdline = fake_string(fake, command, sizeof command);
    anchor->cmdline_bytes = sizeof command;
    anchor->end = RECORD_END_SIGNAL;
    anchor->end_status = SIGSEGV;
    anchor->end_thread = 1;
    anchor->allocations = 1000;
    anchor->frees = 990;
    anchor->allocated_bytes = 1234567;
    anchor->freed_bytes = 1230000;
    anchor->peak_bytes = 999999;
    anchor->own_bytes = 65536;
    anchor->unrecorded_blocks = 3;
    anchor->unrecorded_bytes = 333;
    anchor->coverage = RECORD_COVER_NO_UNWINDER;
    uint64_t pool = fake_anchor(fake)->own_start + 8192;
    anchor->entry_points = pool;
    for (unsigned i = 0; i < RECORD_ALLOCATORS; i++)
        fake_store(fake, pool + 8 * i, anchor->own_start + 64 * i);
    anchor->engines = pool + 4096;
    struct record_engine_stats slab = {.mapped = 1 << 20, .requested = 900, .occupied = 1000, .free_bytes = 5000, .largest_free = 4000, .blocks = 6};
    memcpy(fake_at(fake, anchor->engines + RECORD_ENGINE_SLAB * sizeof slab, sizeof slab), &slab, sizeof slab);
    struct record_root root = {.start = fake_map(fake, 4096, IMAGE_READ, ""), .bytes = 64, .state = 1};
    fake_entry(fake, RECORD_TABLE_ROOTS, &root);
    /* What the program told: a name of no block, a pool, objects that were freed. */
    struct record_label label = {.address = root.start, .name = fake_string(fake, "named", 5), .sequence = 7};
    fake_entry(fake, RECORD_TABLE_LABELS, &label);
    struct record_pool told = {.anchor = root.start, .name = label.name, .flags = RECORD_POOL_META};
    uint32_t pool_index = fake_entry(fake, RECORD_TABLE_POOLS, &told);
    for (unsigned i = 0; i < 20; i++) {
        struct record_object object = {.address = root.start + 64 * i, .pool = i % 2 ? pool_index : 0,
            .block = {.head = record_head(48, RECORD_BY_POOL_ALLOC, 0, RECORD_BLOCK_FREE), .sequence = i}};
        fake_entry(fake, RECORD_TABLE_OBJECTS, &object);
    }
}

struct fake *fake_story(void)
{
    struct teller teller = {.fake = fake_new()};
    tell_modules(&teller);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t pcs[] = {0x5500001000 + 0x100 * i, 0x5500002000, 0x5500003000};
        uint64_t plugin[] = {0x6600000123, 0x6600000456};
        teller.stacks[i] = i == 4 ? fake_stack(teller.fake, 2, plugin, 2) : fake_stack(teller.fake, 1, pcs, 3);
    }
    tell_threads(&teller);
    tell_heap(&teller);
    tell_damage(&teller);
    tell_calls(&teller);
    tell_rest(&teller);
    return teller.fake;
}
