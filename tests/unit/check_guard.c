/* Witnesses around a block: whatever single stretch of bytes is changed around or, after a free, inside it is found, and the first
 * wrong byte and the extent are right; nothing is found when nothing was changed. */
#include "check/zones.h"

#include <string.h>

#include "unit.h"

int main(void)
{
    uint64_t random = unit_seed("check_guard");
    static char memory[16384] __attribute__((aligned(64)));
    guard_setting = (struct guard_setting){16, 16, 32, GUARD_FILL_ALLOC, GUARD_FILL_FREE};
    for (int round = 0; round < 20000; round++) {
        size_t size = unit_random(&random) % (round % 8 ? 300 : 6000);
        size_t room = size + 16 + unit_random(&random) % 64;
        struct guard_block block = {memory + 16, size, room};
        struct guard_damage damage;
        bool freed = unit_random(&random) & 1;
        memset(memory, 0x11, sizeof memory);
        guard_arm(&block, true);
        CHECK(guard_whole(&block, &damage), "size %zu", size);
        for (size_t i = 0; i < size; i++)
            if ((unsigned char)block.address[i] != GUARD_FILL_ALLOC) {
                CHECK(false, "byte %zu of %zu not filled", i, size);
                break;
            }
        CHECK(block.address[room] == 0x11, "wrote past the room");
        if (freed) {
            guard_retire(&block);
            CHECK(guard_untouched(&block, &damage), "size %zu", size);
        } else {
            memset(block.address, 0x22, size);  /* the program's own bytes are its own */
            CHECK(guard_whole(&block, &damage), "size %zu", size);
        }
        /* One stretch of damage: behind, in front, or after a free inside. */
        unsigned where = (unsigned)(unit_random(&random) % (freed && size ? 3 : 2));
        size_t zone = where == 0 ? room - size : where == 1 ? 16 : size;
        char *start = where == 0 ? block.address + size : where == 1 ? memory : block.address;
        size_t at = unit_random(&random) % zone, n = 1 + unit_random(&random) % (zone - at);
        if (where == 1) {   /* magic and guard word are compared apart: keep the stretch within one of them */
            n = at < 8 && at + n > 8 ? 8 - at : n;
        }
        for (size_t i = 0; i < n; i++)
            start[at + i] = (char)(start[at + i] ^ 0x5a);
        bool found = freed ? !guard_untouched(&block, &damage) : !guard_whole(&block, &damage);
        CHECK(found, "round %d size %zu where %u at %zu n %zu", round, size, where, at, n);
        if (found) {
            CHECK(damage.first == start + at, "first %td wanted %td", damage.first - memory, start + at - memory);
            CHECK(damage.extent == n, "extent %zu wanted %zu (where %u)", damage.extent, n, where);
            enum guard_part wanted = where == 0 ? GUARD_REAR : where == 2 ? GUARD_FILL : at < 8 ? GUARD_MAGIC : GUARD_FRONT;
            CHECK(damage.part == wanted, "part %d wanted %d", damage.part, wanted);
        }
        if (!freed) {
            guard_mend(&block, false);
            CHECK(guard_whole(&block, &damage), "mended");
        }
    }
    /* Every byte of rear zones of all lengths, for whoever looks at it: the block's own free, a neighbour's, the eviction. */
    for (size_t rear = 16; rear <= 160; rear++)
        for (size_t at = 0; at < rear; at++) {
            struct guard_block block = {memory + 16, 40, 40 + rear};
            struct guard_damage damage;
            guard_arm(&block, false);
            CHECK(zones_rear_whole(&block) && zones_front_whole(&block), "rear %zu", rear);
            block.address[40 + at] ^= 1;
            CHECK(!zones_rear_whole(&block) && zones_front_whole(&block), "rear %zu at %zu, by a neighbour", rear, at);
            CHECK(!guard_whole(&block, &damage) && damage.first == block.address + 40 + at, "rear %zu at %zu", rear, at);
            block.address[40 + at] ^= 1;
            guard_retire(&block);
            block.address[40 + at] ^= 1;
            CHECK(!guard_untouched(&block, &damage) && damage.first == block.address + 40 + at, "rear %zu at %zu, freed", rear, at);
        }
    /* A header copied to another block is no valid one there. */
    struct guard_block one = {memory + 16, 32, 64}, two = {memory + 1040, 32, 64};
    struct guard_damage damage;
    guard_arm(&one, true);
    guard_arm(&two, true);
    memcpy(two.address - 16, one.address - 16, 16);
    CHECK(!guard_whole(&two, &damage) && damage.part == GUARD_MAGIC && damage.expected_word, "a copied header passed");
    /* Without guards nothing is written. */
    guard_setting = (struct guard_setting){0, 0, 1, GUARD_NO_FILL, GUARD_NO_FILL};
    memset(memory, 0x33, sizeof memory);
    guard_arm(&one, true);
    guard_retire(&one);
    for (size_t i = 0; i < 256; i++)
        CHECK(memory[i] == 0x33, "byte %zu was written", i);
    return unit_result("check_guard");
}
