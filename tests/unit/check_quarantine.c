/* The quarantine: every block comes out once, oldest first and not before the limit asks for it; a block written to meanwhile is told
 * of; handles name blocks of every engine. */
#include "check/quarantine.h"

#include "heap_port.h"

#define SLOTS 6000
#define LIMIT ((uint64_t)1 << 20)

static struct heap *heap;
static unsigned told;

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

int main(void)
{
    uint64_t random = unit_seed("check_quarantine");
    guard_setting = (struct guard_setting){.front = 16, .rear = 16, .fill_alloc = GUARD_FILL_ALLOC, .fill_free = GUARD_FILL_FREE};
    struct heap_config config = {.page_size = 4096, .tag_bytes = sizeof(struct record_block), .phase = 16};
    heap = heap_create(&config, &port_hooks);
    CHECK(heap != NULL, "no heap");
    if (!heap)
        return unit_result("check_quarantine");
    quarantine_init(heap, LIMIT, false, damaged);
    struct quarantine_batch *batch = NULL;
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
        CHECK(quarantine_put(&batch, &block, block.room), "put");
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
    quarantine_flush(&batch);
    CHECK(batch == NULL, "flushed");
    quarantine_drain(&batch);
    CHECK(living() == 0, "%lu blocks are still held", (unsigned long)living());
    CHECK(told == harmed, "%u blocks were written to, %u told of", harmed, told);
    CHECK(heap_consistent(heap, port_say, NULL) == 0, "heap");
    return unit_result("check_quarantine");
}
