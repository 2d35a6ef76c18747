/* Page guards: slots keep their alignment and sides, addresses find their slot, neighbours do not overlap, freed slots are used
 * again oldest first and are inaccessible meanwhile, a site's first blocks are guarded on both sides, budgets hold. */
#include "check/pageguard.h"
#include "check/sites.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/kernel.h"
#include "check/allowance.h"
#include "trace/threads.h"
#include "unit.h"

static unsigned announced;
static sigjmp_buf back;

static void announce(char *base, size_t bytes, struct record_placed *records, uint32_t slots)
{
    CHECK(base && bytes && records && slots == 64, "announcement");
    announced++;
}

static void faulted(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

/* true: touching the byte faults */
static bool faults(volatile char *address)
{
    if (sigsetjmp(back, 1))
        return true;
    (void)*address;
    return false;
}

static void publish(struct pageguard_slot *slot, char *address, size_t size, unsigned state)
{
    slot->record->address = (uintptr_t)address;
    slot->record->block.head = record_head(size, RECORD_BY_MALLOC, RECORD_FLAG_PAGE_GUARD, state);
}

/* Time enough, but where a test sets it: what is tested here is the choice, and the number of slots (check_allowance tests the time). */
static uint64_t cpu_time = 3600ull * 1000000000u;
static uint64_t time_as_set(void)
{
    return cpu_time;
}

/* A place that allocates and frees without end, at 100 ns a round and what a guarded block is reckoned to cost beside. Returns the slots that
 * `rounds` of it took. */
static unsigned slots_taken_in(struct thread_state *self, uint32_t stack, unsigned rounds)
{
    struct pageguard_slot slot;
    char *address;
    unsigned taken = 0;
    for (unsigned i = 0; i < rounds; i++, cpu_time += 100) {
        struct pageguard_choice choice = pageguard_choose(self, stack, 64, 16);
        if (choice.side == PAGEGUARD_NONE || !pageguard_take(64, 16, choice, &slot, &address))
            continue;
        publish(&slot, address, 64, RECORD_BLOCK_QUARANTINED);
        pageguard_retire(&slot);
        cpu_time += 9000;
        taken++;
    }
    return taken;
}

/* Once damage was found at a site its blocks are guarded, each one while there is time for it, and then as many as a share of the CPU time has
 * room for: the program is not to become a hundred times slower by one finding. What others may use stays theirs. */
static void test_suspects(void)
{
    enum { ROUNDS = 1000000 };
    struct thread_state self = {.random = 12345};
    cpu_time = 0;
    allowance_fork_child();
    pageguard_fork_child();
    pageguard_choose(&self, 80, 64, 16);
    site_suspect(80);
    unsigned first = slots_taken_in(&self, 80, 5000);
    CHECK(first == 5000, "%u of the first 5000 blocks of a suspect site", first);
    unsigned later = slots_taken_in(&self, 80, ROUNDS);
    CHECK(later > ROUNDS / 2000 && later < ROUNDS / 200, "%u of %u blocks of a busy suspect site", later, ROUNDS);
    CHECK(pageguard_choose(&self, 81, 64, 16).side != PAGEGUARD_NONE, "a suspect site leaves none for others");
    /* When the program has gone on without it for long there is time for each again, as soon as the clock is looked at. */
    cpu_time += 100 * 1000000000ull;
    unsigned again = slots_taken_in(&self, 80, 2 * ALLOWANCE_PATIENCE_MOST);
    CHECK(again >= ALLOWANCE_PATIENCE_MOST, "%u blocks of a suspect site that comes seldom", again);
    cpu_time = 3600ull * 1000000000u;
}

int main(void)
{
    kernel.cpu_time = time_as_set;
    uint64_t random = unit_seed("check_pageguard");
    struct sigaction action = {.sa_handler = faulted};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t budget = pageguard_init(256, false, false, announce);
    CHECK(budget == 256, "budget %lu", (unsigned long)budget);

    enum { N = 200 };
    static struct pageguard_slot slots[N];
    static char *addresses[N];
    static size_t sizes[N];
    unsigned taken = 0;
    for (unsigned i = 0; i < N; i++) {
        size_t size = unit_random(&random) % (i % 4 ? 200 : 3 * page) + 1, align = (size_t)16 << unit_random(&random) % 4;
        enum pageguard_side side = i & 1 ? PAGEGUARD_LOW : PAGEGUARD_HIGH;
        if (!pageguard_take(size, align, (struct pageguard_choice){side, PAGEGUARD_UNWATCHED}, &slots[taken], &addresses[taken]))
            continue;
        char *address = addresses[taken];
        struct pageguard_slot *slot = &slots[taken], found;
        sizes[taken] = size;
        publish(slot, address, size, RECORD_BLOCK_LIVE);
        memset(address, 'x', size);
        CHECK(((uintptr_t)address & (align - 1)) == 0, "alignment %zu", align);
        CHECK(address >= slot->data && address + size <= slot->data + slot->data_bytes, "inside");
        char *low, *high;
        pageguard_extent(slot, &low, &high);
        CHECK(low <= address && low + page > address && address + size <= high && high - page < address + size, "extent");
        if (low > slot->data)
            CHECK(faults(low - 1), "a page that the block does not cover is open");
        if (high < slot->data + slot->data_bytes)
            CHECK(faults(high), "a page that the block does not cover is open");
        if (side == PAGEGUARD_HIGH)
            CHECK((size_t)(slot->data + slot->data_bytes - (address + size)) < align, "close to the end");
        else
            CHECK(address == slot->data, "at the start");
        CHECK(faults(slot->data - 1), "the page in front is open");
        CHECK(faults(slot->data + slot->data_bytes), "the page behind is open");
        for (int probe = 0; probe < 4; probe++) {
            const char *at = address + (probe == 3 ? size - 1 : unit_random(&random) % size);
            CHECK(pageguard_find(at, &found) && found.record == slot->record, "not found from inside");
        }
        struct guard_damage damage;
        CHECK(pageguard_whole(slot, &damage), "whole");
        size_t slack = (size_t)(high - (address + size));
        if (slack) {
            size_t at = unit_random(&random) % slack;
            address[size + at] ^= 1;
            CHECK(!pageguard_whole(slot, &damage) && damage.first == address + size + at && damage.extent == 1, "damage behind");
            address[size + at] ^= 1;
        }
        taken++;
    }
    CHECK(taken > 100, "only %u slots", taken);
    CHECK(announced >= 1 && announced <= 4, "%u chunks for a budget of 256", announced);
    for (unsigned i = 0; i < taken; i++) {
        publish(&slots[i], addresses[i], sizes[i], RECORD_BLOCK_QUARANTINED);
        pageguard_retire(&slots[i]);
        CHECK(faults(addresses[i]), "a freed block can be touched");
    }
    /* The budget is spent: the next one of this size is an unused slot or the oldest freed one, never the newest. */
    struct pageguard_slot again;
    const struct pageguard_choice on_high_side = {PAGEGUARD_HIGH, PAGEGUARD_UNWATCHED};
    char *address;
    for (unsigned i = 0; i < 20; i++) {
        CHECK(pageguard_take(100, 16, on_high_side, &again, &address), "no slot again");
        CHECK(again.record != slots[taken - 1].record, "the newest freed slot was used again first");
        CHECK(!faults(address), "a slot given out cannot be touched");
    }
    /* A page opened after a fault is shut again with the slot's next use. */
    publish(&again, address, 100, RECORD_BLOCK_LIVE);
    char *behind = again.data + again.data_bytes;
    pageguard_open(&again, behind);
    CHECK(!faults(behind), "opened page faults");

    /* Sites: the first ones certainly and on both sides, later ones rarely, all of them after damage. */
    struct thread_state self = {.random = 12345};
    unsigned low = 0, high = 0, later = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct pageguard_choice choice = pageguard_choose(&self, 77, 64, 16);
        enum pageguard_side side = choice.side;
        CHECK(choice.watch == (i ? PAGEGUARD_WATCH_IF_FREE : PAGEGUARD_WATCH), "watched %d", (int)choice.watch);
        low += side == PAGEGUARD_LOW;
        high += side == PAGEGUARD_HIGH;
    }
    CHECK(low == 2 && high == 2, "low %u high %u", low, high);
    for (unsigned i = 0; i < 100000; i++)
        later += pageguard_choose(&self, 77, 64, 16).side != PAGEGUARD_NONE;
    CHECK(later > 4 && later < 60, "%u of 100000 later blocks guarded", later);
    site_suspect(77);
    for (unsigned i = 0; i < 100; i++)
        CHECK(pageguard_choose(&self, 77, 64, 16).side != PAGEGUARD_NONE, "a suspect site's block was left unguarded");
    struct pageguard_choice huge = pageguard_choose(&self, 78, (size_t)1 << 30, 16);
    CHECK(huge.side == PAGEGUARD_NONE && huge.watch == PAGEGUARD_WATCH, "a huge block");
    huge = pageguard_choose(&self, 78, (size_t)1 << 30, 16);
    CHECK(huge.side == PAGEGUARD_NONE && huge.watch != PAGEGUARD_WATCH, "the second huge block is as good as the first");
    test_suspects();
    return unit_result("check_pageguard");
}
