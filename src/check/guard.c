/* Writing and comparing the witnesses around a block.
 *
 * Cost: a small block's front is one vector and its rear 16 to 64 bytes, four that overlap, compared together in one branch; only fills
 * and long rear zones take more. Profiles with a rear zone have a front zone, and the other way round. A rear zone longer than GUARD_REAR_MAX (the tail of a large block's last pages) is
 * kept only up to there, so that untouched pages stay untouched. */
#include "check/zones.h"

#include <sys/mman.h>

#include "base/kernel.h"
#include "base/memory.h"

struct guard_setting guard_setting = {0, 0, 1, GUARD_NO_FILL, GUARD_NO_FILL};

static inline uint64_t *front_words(const struct guard_block *block)
{
    return (uint64_t *)(void *)(block->address - 16);
}

static inline size_t filled_bytes(const struct guard_block *block)
{
    return block->size < GUARD_FILL_MAX ? block->size : GUARD_FILL_MAX;
}

void guard_fill_new(const struct guard_block *block)
{
    memory_fill(block->address, (int)guard_setting.fill_alloc, filled_bytes(block));
}

void guard_arm(const struct guard_block *block, bool fill)
{
    zones_new(block, fill);
}

static inline void fill_freed(const struct guard_block *block)
{
    if (guard_setting.fill_free != GUARD_NO_FILL)
        memory_fill(block->address, (int)guard_setting.fill_free, filled_bytes(block));
}

void guard_retire_whole(const struct guard_block *block)
{
    if (guard_setting.rear)
        zones_retire_whole(block);
    fill_freed(block);
}

void guard_retire(const struct guard_block *block)
{
    if (guard_setting.rear)
        zones_arm(block, GUARD_MAGIC_FREE);
    fill_freed(block);
}

/* The extent of what differs from `byte` in [start, start+n), given that the byte at `first` does. */
static size_t damage_extent(const char *start, size_t n, size_t first, int byte)
{
    size_t last = n;
    while (last > first + 1 && (unsigned char)start[last - 1] == (unsigned char)byte)
        last--;
    return last - first;
}

static bool zone_whole(char *start, size_t n, int byte, enum guard_part part, struct guard_damage *damage)
{
    size_t first = memory_differs(start, byte, n);
    if (first == n)
        return true;
    *damage = (struct guard_damage){part, start + first, damage_extent(start, n, first, byte), 0, (uint8_t)byte};
    return false;
}

static bool front_whole(const struct guard_block *block, uint64_t magic, struct guard_damage *damage)
{
    uint64_t *front = front_words(block);
    uint64_t expected = zones_magic(block, magic);
    if (__builtin_expect(front[1] != GUARD_WORD, 0)) {
        zone_whole((char *)&front[1], 8, GUARD_BYTE, GUARD_FRONT, damage);
        return false;
    }
    if (__builtin_expect(front[0] == expected, 1))
        return true;
    uint64_t wrong = front[0] ^ expected;
    unsigned low = (unsigned)__builtin_ctzll(wrong) / 8, high = 7 - (unsigned)__builtin_clzll(wrong) / 8;
    *damage = (struct guard_damage){GUARD_MAGIC, (char *)&front[0] + low, high - low + 1, expected, 0};
    return false;
}

static __attribute__((noinline)) bool zones_one_by_one(const struct guard_block *block, uint64_t magic, struct guard_damage *damage)
{
    return zone_whole(block->address + block->size, zones_rear_bytes(block), GUARD_BYTE, GUARD_REAR, damage)
        && front_whole(block, magic, damage);
}

static inline bool zones_whole(const struct guard_block *block, uint64_t magic, struct guard_damage *damage)
{
    return !guard_setting.rear || zones_quickly(block, magic) || zones_one_by_one(block, magic, damage);
}

bool guard_whole(const struct guard_block *block, struct guard_damage *damage)
{
    return zones_whole(block, GUARD_MAGIC_USED, damage);
}

bool guard_whole_before(const struct guard_block *block, struct guard_damage *damage)
{
    return !guard_setting.rear || front_whole(block, GUARD_MAGIC_USED, damage);
}

bool guard_untouched(const struct guard_block *block, struct guard_damage *damage)
{
    if (guard_setting.fill_free != GUARD_NO_FILL
        && !zone_whole(block->address, filled_bytes(block), (int)guard_setting.fill_free, GUARD_FILL, damage))
        return false;
    return zones_whole(block, GUARD_MAGIC_FREE, damage);
}

void guard_mend(const struct guard_block *block, bool freed)
{
    if (guard_setting.rear)
        zones_arm(block, freed ? GUARD_MAGIC_FREE : GUARD_MAGIC_USED);
}

bool guard_shut(char *start, size_t bytes)
{
    if (kernel.protect(start, bytes, PROT_NONE) != 0)
        return false;
    kernel.advise(start, bytes, MADV_DONTNEED);
    return true;
}

void guard_reopen(const void *address)
{
    uintptr_t page = kernel_page_size();
    kernel.protect((void *)((uintptr_t)address & ~(page - 1)), page, PROT_READ | PROT_WRITE);
}
