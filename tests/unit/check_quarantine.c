/* The quarantine: every block comes out once, oldest first and not before the limit asks for it; a block written to meanwhile is told
 * of; handles name blocks of every engine. Fair to sites: what a busy one frees comes out soon, but not at once, one in N like all others;
 * what others free stays. */
#include "check/quarantine.h"

#include "base/anchor.h"
#include "check/sites.h"
#include "trace/threads.h"

#include "heap_port.h"

#define SLOTS 6000
#define LIMIT ((uint64_t)1 << 20)

#define ONE_IN 8
#define RUN QUARANTINE_RUN
#define BUSY_FROM 1100          /* frees after which a site is a busy one for certain, */
#define BUSY_NOT_BEFORE 900     /* and before which it is none */
#define RECENT 200              /* of small blocks that a short queue holds at least, */
#define RECENT_MOST 1024        /* and at most */

static struct heap *heap;
static unsigned told;
static struct record_thread record_of_thread;
static struct thread_state thread = {.record = &record_of_thread};

static void damaged(const struct guard_block *block, const struct record_block *record, const struct guard_damage *damage,
                    enum record_detected detected)
{
    CHECK(damage->part == GUARD_FILL && damage->first >= block->address && damage->first < block->address + block->size, "damage");
    CHECK(record_head_state(record->head) == RECORD_BLOCK_QUARANTINED && detected == RECORD_AT_EVICTION, "state");
    told++;
}

static uint64_t living(void)
{
    struct heap_engine_stats stats[HEAP_ENGINES];
    heap_stats(heap, stats);
    return stats[HEAP_AUTO].blocks;
}

/* A block of that stack lived, and was freed. */
static bool freed(struct heap_block *block, size_t size, uint32_t stack, uint32_t sequence)
{
    if (sequence / RUN != thread.sequence / RUN)
        thread.long_run = quarantine_begin_run(sequence / RUN);
    thread.sequence = sequence;
    if (!(quarantine_wants(&thread, stack) ? heap_alloc_apart : heap_alloc)(heap, size + 32, 16, block)) {
        CHECK(false, "no block");
        return false;
    }
    struct guard_block guarded = {block->start + 16, size, block->room - 16};
    struct record_block *record = block->tag;
    guard_arm(&guarded, true);
    guard_retire(&guarded);
    record->alloc_stack = stack;
    record->sequence = sequence;
    __atomic_store_n(&record->head, record_head(size, RECORD_BY_MALLOC, 0, RECORD_BLOCK_QUARANTINED), __ATOMIC_RELEASE);
    return true;
}

static bool put(size_t size, uint32_t stack, uint32_t sequence, struct record_block **record)
{
    struct heap_block block;
    if (!freed(&block, size, stack, sequence))
        return false;
    *record = block.tag;
    quarantine_make_way(&thread);
    CHECK(quarantine_put(&thread, &block, block.room), "put");
    return true;
}

static bool is_held(const struct record_block *record, uint32_t sequence)
{
    return record_head_state(record->head) == RECORD_BLOCK_QUARANTINED && record->sequence == sequence;
}

static void let_all_go(void)
{
    quarantine_flush(&thread);
    quarantine_drain(&thread);
    CHECK(living() == 0, "%lu blocks are still held", (unsigned long)living());
}

/* Blocks of a busy site, each freed before the next is allocated. Of those from `from` on: how many were held when they were to be, how many still at the end. */
#define CHURN 60000
static void churn(uint64_t *random, uint32_t stack, uint32_t *sequence, bool alike)
{
    static struct record_block *records[CHURN];
    static uint32_t sequences[CHURN];
    uint64_t before = record_of_thread.held_briefly;
    uint32_t first = *sequence, long_after = 0, counted = 0;
    for (uint32_t i = 0; i < CHURN; i++) {
        *sequence += 1 + (unit_random(random) % 4 == 0);      /* others allocate in between */
        sequences[i] = *sequence;
        if (!put(16 + unit_random(random) % 100, stack, *sequence, &records[i]))
            return;
        /* For a while each is held, however busy the site. */
        uint32_t late = i < RECENT ? 0 : i - RECENT;
        CHECK(is_held(records[late], sequences[late]), "block %u of a busy site was let go after %u others", late, i - late);
        if (i == BUSY_NOT_BEFORE)
            CHECK(record_of_thread.held_briefly == before || !before, "a site was busy after %u blocks", i);
    }
    uint32_t first_ones = 0;
    for (uint32_t i = 0; i < BUSY_NOT_BEFORE; i++)
        first_ones += is_held(records[i], sequences[i]);
    for (uint32_t i = BUSY_FROM; i < CHURN - RECENT_MOST; i++, counted++)
        long_after += is_held(records[i], sequences[i]);
    if (alike)
        CHECK(long_after == counted && first_ones == BUSY_NOT_BEFORE, "%u of %u held", long_after, counted);
    else
        CHECK(long_after > counted / ONE_IN / 2 && long_after < counted / ONE_IN * 2 && first_ones == BUSY_NOT_BEFORE,
              "stack %u from %u: %u of %u later ones and %u of %u first ones held", stack, first, long_after, counted, first_ones, BUSY_NOT_BEFORE);
}

/* A site that was busy, and is a rare one among what others allocate since, is held long again; one that goes on as before is not. */
static void test_forgetting(uint64_t *random)
{
    enum { MANY = 1 << 20 };    /* allocations of the process in which each site forgets some */
    uint32_t sequence = (uint32_t)unit_random(random) % RUN * RUN;
    struct record_block *records[64], *last;
    uint32_t sequences[64];
    quarantine_init(heap, (uint64_t)64 << 20, false, ONE_IN, damaged);
    for (unsigned i = 0; i < BUSY_FROM; i++) {
        put(40, 13, ++sequence, &last);
        put(40, 14, ++sequence, &last);
    }
    record_of_thread.held_briefly = 0;
    unsigned briefly = 0, long_ones = 0;
    for (unsigned round = 0; round < 20; round++) {
        /* Others allocate: all that is seen of it here is that runs begin. Of stack 14 one in 500. */
        sequence = (sequence / RUN + 1) * RUN;
        for (uint32_t run = 0; run < MANY / RUN; run++, sequence += RUN) {
            quarantine_begin_run(sequence / RUN);
            if (run % 2 == 0) {
                uint64_t before = record_of_thread.held_briefly;
                thread.sequence = sequence;
                thread.long_run = false;
                put(40, 14, sequence + (uint32_t)unit_random(random) % RUN, &last);
                briefly += record_of_thread.held_briefly > before;
                long_ones += record_of_thread.held_briefly == before;
            }
        }
        /* Of stack 13 a few now and then. */
        uint64_t before = record_of_thread.held_briefly;
        for (unsigned i = 0; i < 16; i++)
            put(40, 13, sequences[i] = ++sequence, &records[i]);
        CHECK(record_of_thread.held_briefly == before, "round %u: %lu of 16 blocks of a site that was busy once are held briefly", round,
              (unsigned long)(record_of_thread.held_briefly - before));
    }
    for (unsigned i = 0; i < 16; i++)
        CHECK(is_held(records[i], sequences[i]), "a block of a site that was busy once was let go");
    CHECK(briefly > 20 * long_ones, "of a site that stays busy %u were held briefly, %u long", briefly, long_ones);
    /* And when it is as busy again as it was. */
    for (unsigned i = 0; i < BUSY_FROM; i++)
        put(40, 13, ++sequence, &last);
    uint64_t before = record_of_thread.held_briefly;
    for (unsigned i = 0; i < 1000; i++)
        put(40, 13, ++sequence, &last);
    CHECK(record_of_thread.held_briefly - before > 500, "a site that is busy again is held long");
    let_all_go();
}

/* limit: nothing of what the long queue gets here goes beyond it. */
static void test_fairness(uint64_t *random)
{
    struct record_block *rare, *suspect[100], *large;
    uint32_t sequence = (uint32_t)unit_random(random), rare_is, suspects_are[100], large_is;
    quarantine_init(heap, (uint64_t)64 << 20, false, ONE_IN, damaged);
    record_of_thread.held_briefly = 0;
    put(40, 7, rare_is = ++sequence, &rare);
    churn(random, 8, &sequence, false);
    CHECK(record_of_thread.held_briefly > CHURN / 2, "%lu held briefly", (unsigned long)record_of_thread.held_briefly);
    CHECK(is_held(rare, rare_is), "a rare site's block was let go");
    /* A block of no slab would take a short queue for itself. */
    put(50000, 8, large_is = ++sequence, &large);
    /* Once a site has shown damage all its blocks are held. */
    site_suspect(8);
    for (unsigned i = 0; i < 100; i++)
        put(40, 8, suspects_are[i] = sequence += 100, &suspect[i]);
    churn(random, 9, &sequence, false);
    for (unsigned i = 0; i < 100; i++)
        CHECK(is_held(suspect[i], suspects_are[i]), "a block of a suspect site was let go");
    CHECK(is_held(large, large_is), "a large block was let go");
    let_all_go();

    quarantine_init(heap, (uint64_t)64 << 20, false, 1, damaged);
    record_of_thread.held_briefly = 0;
    churn(random, 10, &sequence, true);
    CHECK(record_of_thread.held_briefly == 0, "%lu held briefly though all are alike", (unsigned long)record_of_thread.held_briefly);
    let_all_go();

    /* A quarantine that is as small as that is in the cache anyway. */
    quarantine_init(heap, QUARANTINE_LEAST_SHARED, false, ONE_IN, damaged);
    struct record_block *last;
    for (unsigned i = 0; i < 20000; i++)
        put(40, 11, ++sequence, &last);
    CHECK(record_of_thread.held_briefly == 0, "%lu held briefly in a small quarantine", (unsigned long)record_of_thread.held_briefly);
    let_all_go();
}

/* Sizes at random, to and fro between small and large ones: a short queue holds the memory it may, and each block comes out once. A block that was
 * written to is told of, and its site is suspect from then on. */
static void test_short_queue(uint64_t *random)
{
    uint32_t sequence = 0;
    struct record_block *record;
    quarantine_init(heap, (uint64_t)2 << 20, false, 65536, damaged);
    for (unsigned i = 0; i < BUSY_FROM; i++)
        put(40, 12, ++sequence, &record);
    quarantine_drain(&thread);
    record_of_thread.held_briefly = 0;
    told = 0;
    for (unsigned i = 0; i < 20000; i++) {
        put(i / 500 % 2 ? 1500 + unit_random(random) % 400 : 1 + unit_random(random) % 60, 12, ++sequence, &record);
        struct heap_engine_stats stats[HEAP_ENGINES];
        if (i % 500 == 499) {
            heap_stats(heap, stats);
            CHECK(stats[HEAP_AUTO].occupied <= (128 << 10) && stats[HEAP_AUTO].blocks >= 16, "%lu bytes in %lu blocks held",
                  (unsigned long)stats[HEAP_AUTO].occupied, (unsigned long)stats[HEAP_AUTO].blocks);
        }
    }
    CHECK(record_of_thread.held_briefly >= 20000 - 256, "%lu held briefly", (unsigned long)record_of_thread.held_briefly);
    CHECK(told == 0, "%u told of without reason", told);
    struct heap_block block;
    if (freed(&block, 40, 12, ++sequence)) {
        quarantine_make_way(&thread);
        quarantine_put(&thread, &block, block.room);
        block.start[16 + unit_random(random) % 40] ^= 1;
        for (unsigned i = 0; i < RECENT_MOST + 64; i++)
            put(40, 12, ++sequence, &record);
        CHECK(told == 1, "%u told of", told);
        CHECK(site_of(12)->guards & SITE_SUSPECT, "a site that showed damage is not suspect");
    }
    let_all_go();
}

/* Threads that end just when a batch of theirs has joined the queue, and others that go on: what is taken out is what was put in, so no block
 * that lives meanwhile is let go of. */
static void test_threads_that_end(uint64_t *random)
{
    enum { ROUNDS = 120, KEPT = 20 };
    static struct record_block *kept[ROUNDS * KEPT];
    uint32_t sequence = 0;
    struct record_block *record;
    struct heap_block blocks[KEPT];
    quarantine_init(heap, LIMIT, false, 1, damaged);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint64_t before = midden_anchor.quarantine_bytes; midden_anchor.quarantine_bytes == before;)
            put(1 + unit_random(random) % 60, 0, ++sequence, &record);
        quarantine_flush(&thread);
        for (unsigned i = unit_random(random) % 1200; i > 0; i--)
            put(1 + unit_random(random) % 60, 0, ++sequence, &record);
        for (unsigned i = 0; i < KEPT && heap_alloc(heap, 32 + 1 + unit_random(random) % 60, 16, &blocks[i]); i++) {
            kept[round * KEPT + i] = record = blocks[i].tag;
            record->head = record_head(1, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE);
        }
    }
    unsigned living_still = 0;
    for (unsigned i = 0; i < ROUNDS * KEPT; i++)
        living_still += kept[i] && record_head_state(kept[i]->head) == RECORD_BLOCK_LIVE;
    CHECK(living_still == ROUNDS * KEPT, "%u of %u", living_still, ROUNDS * KEPT);
    quarantine_flush(&thread);
    quarantine_drain(&thread);
    CHECK(living() == ROUNDS * KEPT, "%lu", (unsigned long)living());
}

static void test_order(uint64_t seed)
{
    uint64_t random = seed;
    quarantine_init(heap, LIMIT, false, ONE_IN, damaged);
    static struct record_block *records[SLOTS];
    static size_t rooms[SLOTS];
    unsigned harmed = 0, released = 0;
    uint64_t bytes = 0, most = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        /* Mostly small, some of the engines above slab. */
        size_t size = unit_random(&random) % (i % 50 ? 300 : i % 100 ? 20000 : 300000) + 1;
        struct heap_block block, again;
        if (!heap_alloc(heap, size + 32, 16, &block)) {
            CHECK(false, "no block");
            break;
        }
        CHECK(heap_from_handle(heap, heap_handle_of(&block), &again) && again.start == block.start && again.tag == block.tag
              && again.region == block.region && again.slot == block.slot && again.room >= size + 32, "handle");
        struct guard_block guarded = {block.start + 16, size, block.room - 16};
        struct record_block *record = records[i] = block.tag;
        guard_arm(&guarded, true);
        guard_retire(&guarded);
        record->head = record_head(size, RECORD_BY_MALLOC, 0, RECORD_BLOCK_QUARANTINED);
        record->sequence = i;
        if (unit_random(&random) % 20 == 0) {
            guarded.address[unit_random(&random) % (size < GUARD_FILL_MAX ? size : GUARD_FILL_MAX)] ^= 1;   /* what is filled */
            harmed++;
        }
        rooms[i] = block.room;
        bytes += block.room + sizeof(struct record_block);
        most = block.room > most ? block.room : most;
        quarantine_make_way(&thread);
        CHECK(quarantine_put(&thread, &block, block.room), "put");
        /* Nothing is let go before the limit is reached, and then all but the limit, a batch under way and one outgoing. */
        uint64_t held = living();
        if (i % 500 == 0)
            CHECK(bytes > LIMIT || held == i + 1, "%lu of %u held below the limit", (unsigned long)held, i + 1);
    }
    unsigned first_held = 0;
    while (first_held < SLOTS && (record_head_state(records[first_held]->head) != RECORD_BLOCK_QUARANTINED
                                  || records[first_held]->sequence != first_held))
        first_held++;
    CHECK(first_held > 0 && first_held < SLOTS, "%u blocks came out", first_held);
    for (unsigned i = first_held; i < SLOTS; i++)
        CHECK(record_head_state(records[i]->head) == RECORD_BLOCK_QUARANTINED && records[i]->sequence == i, "block %u came out before its elders", i);
    uint64_t held_bytes = 0;
    for (unsigned i = first_held; i < SLOTS; i++)
        held_bytes += rooms[i] + sizeof(struct record_block);
    /* What is held is what the limit says, records included: beside it there are only a batch under way and one outgoing. */
    CHECK(held_bytes <= LIMIT + LIMIT / 4 + 2 * most && held_bytes + LIMIT / 4 + 2 * most >= LIMIT, "%lu bytes held", (unsigned long)held_bytes);
    released = SLOTS - (unsigned)living();
    CHECK(released == first_held, "%u released, the first held is %u", released, first_held);
    let_all_go();
    CHECK(told == harmed, "%u blocks were written to, %u told of", harmed, told);
}

int main(void)
{
    uint64_t random = unit_seed("check_quarantine");
    guard_setting = (struct guard_setting){.front = 16, .rear = 16, .fill_alloc = GUARD_FILL_ALLOC, .fill_free = GUARD_FILL_FREE};
    struct heap_config config = {.page_size = 4096, .tag_bytes = sizeof(struct record_block), .phase = 16, .apart = true};
    heap = heap_create(&config, &port_hooks);
    CHECK(heap != NULL, "no heap");
    if (!heap)
        return unit_result("check_quarantine");
    test_order(random);
    test_fairness(&random);
    test_forgetting(&random);
    test_short_queue(&random);
    test_threads_that_end(&random);     /* the last: it leaves its blocks */
    CHECK(heap_consistent(heap, port_say, NULL) == 0, "heap");
    return unit_result("check_quarantine");
}
