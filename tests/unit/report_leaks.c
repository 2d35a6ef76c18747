/* The leak check against a model of it: random heaps (leak_world.h), classified by report/ and by the plainest reading of the
 * definitions. In every other the blocks' memory is looked through in pieces so small that most blocks are cut.
 *
 * Every block has a stack of its own, so that the records can be compared block by block: kind, bytes, and what is lost with it. */
#include <sched.h>
#include <string.h>

#include "leak_world.h"
#include "report/leaks.h"
#include "report/processors.h"
#include "unit.h"

/* ---- the comparison ---- */

static void compare(struct world *world, uint64_t seed, unsigned threads)
{
    struct error error = {""};
    struct image *image = fake_open(world->fake);
    struct records *records = records_open(image, seed & 1 ? world->fake->anchor : 0, &error);
    CHECK(records, "seed %llu: %s", (unsigned long long)seed, error.text);
    if (!records)
        return;
    struct leaks_options options = {.threads = threads, .piece_bytes = seed & 2 ? UINT64_C(64) << seed / 4 % 10 : 0};
    struct leaks *leaks = leaks_check(records, &options, &error);
    CHECK(leaks, "seed %llu: %s", (unsigned long long)seed, error.text);
    CHECK(records->n_problems == 0 || strstr(records->problems[0], "being allocated or freed"), "%s", records->problems[0]);
    for (size_t i = 0; leaks && i < leaks->n_records; i++) {
        const struct leak_record *record = &leaks->records[i];
        struct block *block = NULL;
        for (size_t k = 0; k < world->n; k++)
            if (world->blocks[k].stack == record->stack)
                block = &world->blocks[k];
        CHECK(block && block->kind < 0 && record->blocks == 1, "record %zu", i);
        if (!block)
            continue;
        block->kind = (int)record->kind;
        block->got_bytes = record->bytes;
        block->got_indirect_bytes = record->indirect_bytes;
        block->got_indirect_blocks = record->indirect_blocks;
        CHECK(record->example == block->address, "example");
    }
    for (size_t i = 0; i < world->n; i++) {
        const struct block *block = &world->blocks[i];
        int wanted = !block->live || block->own ? -1 : block->reached ? LEAK_REACHABLE : block->possible ? LEAK_POSSIBLE
                   : block->indirect ? LEAK_INDIRECT : LEAK_DEFINITE;
        CHECK(block->kind == wanted, "seed %llu: block %zu at 0x%llx of %llu is %d, should be %d", (unsigned long long)seed, i,
              (unsigned long long)block->address, (unsigned long long)block->size, block->kind, wanted);
        if (block->kind < 0)
            continue;
        CHECK(block->got_bytes == block->size, "seed %llu: bytes", (unsigned long long)seed);
        if (wanted == LEAK_DEFINITE)
            CHECK(block->got_indirect_bytes == block->indirect_bytes && block->got_indirect_blocks == block->indirect_blocks,
                  "seed %llu: block %zu leads to %llu in %llu, should be %llu in %llu", (unsigned long long)seed, i,
                  (unsigned long long)block->got_indirect_bytes, (unsigned long long)block->got_indirect_blocks,
                  (unsigned long long)block->indirect_bytes, (unsigned long long)block->indirect_blocks);
    }
    leaks_free(leaks);
    records_close(records);
    image_close(image);
}

/* As many threads as the process may use processors, not as the machine has. */
static void threads_follow_affinity(void)
{
    cpu_set_t before, one;
    CHECK(sched_getaffinity(0, sizeof before, &before) == 0, "affinity");
    CHECK(processors_allowed() == (unsigned)CPU_COUNT(&before), "%u allowed, %d in the set", processors_allowed(), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0 && processors_allowed() == 1, "%u allowed on one", processors_allowed());
    sched_setaffinity(0, sizeof before, &before);
}

int main(void)
{
    threads_follow_affinity();
    uint64_t seed = unit_seed("report_leaks");
    for (unsigned round = 0; round < 400 && !unit_failures; round++, seed++) {
        static struct world world;
        world_make(&world, seed);
        compare(&world, seed, 1 + round % 3);
        world_free(&world);
    }
    return unit_result("report_leaks");
}
