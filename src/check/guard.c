/* Writing and comparing the witnesses around a block.
 *
 * Cost: a small block's front is one vector and its rear 16 to 64 bytes, four that overlap, compared together in one branch; only fills
 * and long rear zones take more. Profiles with a rear zone have a front zone, and the other way round. A rear zone longer than GUARD_REAR_MAX (the tail of a large block's last pages) is
 * kept only up to there, so that untouched pages stay untouched. */
#include "check/guard.h"

#include <sys/mman.h>

#include "base/kernel.h"
#include "base/memory.h"

struct guard_setting guard_setting = {0, 0, 1, GUARD_NO_FILL, GUARD_NO_FILL};


static inline uint64_t *front_words(const struct guard_block *block)
{
    return (uint64_t *)(void *)(block->address - 16);
}

static inline uint64_t magic_for(const struct guard_block *block, uint64_t magic)
{
    return witness_word((uint64_t)(uintptr_t)block->address, magic);
}

static inline size_t rear_bytes(const struct guard_block *block)
{
    size_t n = block->room_end - block->size;
    return n < GUARD_REAR_MAX ? n : GUARD_REAR_MAX;
}

static inline size_t filled_bytes(const struct guard_block *block)
{
    return block->size < GUARD_FILL_MAX ? block->size : GUARD_FILL_MAX;
}

typedef uint64_t wide __attribute__((vector_size(16), aligned(1), may_alias));
#define WIDE(address) (*(wide *)(void *)(address))

/* Rear zones of one to four vectors, which are nearly all: four are written and read whatever the length, which is no branch to guess. */
#define SHORT_REAR(bytes) ((bytes) - 16 <= 48)
static inline size_t no_more(size_t offset, size_t last)
{
    return offset < last ? offset : last;
}

static inline void fill_short(char *zone, size_t bytes)
{
    size_t last = bytes - 16;
    WIDE(zone) = (wide){GUARD_WORD, GUARD_WORD};
    WIDE(zone + no_more(16, last)) = (wide){GUARD_WORD, GUARD_WORD};
    WIDE(zone + no_more(32, last)) = (wide){GUARD_WORD, GUARD_WORD};
    WIDE(zone + last) = (wide){GUARD_WORD, GUARD_WORD};
}

/* Not zero in some bit where a byte of the zone is wrong. */
static inline wide short_differs(const char *zone, size_t bytes)
{
    size_t last = bytes - 16;
    const wide right = {GUARD_WORD, GUARD_WORD};
    return ((*(const wide *)(const void *)zone ^ right) | (*(const wide *)(const void *)(zone + no_more(16, last)) ^ right))
         | ((*(const wide *)(const void *)(zone + no_more(32, last)) ^ right) | (*(const wide *)(const void *)(zone + last) ^ right));
}

static inline void arm_zones(const struct guard_block *block, uint64_t magic)
{
    size_t rear = rear_bytes(block);
    WIDE(block->address - 16) = (wide){magic_for(block, magic), GUARD_WORD};
    if (__builtin_expect(SHORT_REAR(rear), 1)) {
        fill_short(block->address + block->size, rear);
    } else {
        memory_fill(block->address + block->size, GUARD_BYTE, rear);
    }
}

void guard_arm(const struct guard_block *block, bool fill)
{
    if (guard_setting.rear)
        arm_zones(block, GUARD_MAGIC_USED);
    if (fill && guard_setting.fill_alloc != GUARD_NO_FILL)
        memory_fill(block->address, (int)guard_setting.fill_alloc, filled_bytes(block));
}

void guard_retire(const struct guard_block *block)
{
    if (guard_setting.rear)
        arm_zones(block, GUARD_MAGIC_FREE);
    if (guard_setting.fill_free != GUARD_NO_FILL)
        memory_fill(block->address, (int)guard_setting.fill_free, filled_bytes(block));
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

/* Both zones at once, where the rear one is short. false: some byte may be wrong. */
static inline bool zones_quickly(const struct guard_block *block, uint64_t magic)
{
    size_t rear_zone = block->room_end - block->size;
    if (!SHORT_REAR(rear_zone))
        return false;
    wide front = WIDE(block->address - 16) ^ (wide){magic_for(block, magic), GUARD_WORD};
    wide both = front | short_differs(block->address + block->size, rear_zone);
    return !(both[0] | both[1]);
}

static bool front_whole(const struct guard_block *block, uint64_t magic, struct guard_damage *damage)
{
    uint64_t *front = front_words(block);
    uint64_t expected = magic_for(block, magic);
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
    return zone_whole(block->address + block->size, rear_bytes(block), GUARD_BYTE, GUARD_REAR, damage)
        && front_whole(block, magic, damage);
}

static inline bool zones_whole(const struct guard_block *block, uint64_t magic, struct guard_damage *damage)
{
    return !guard_setting.rear || zones_quickly(block, magic) || zones_one_by_one(block, magic, damage);
}

bool guard_front_whole(const struct guard_block *block)
{
    const uint64_t *front = front_words(block);
    return !((front[0] ^ magic_for(block, GUARD_MAGIC_USED)) | (front[1] ^ GUARD_WORD));
}

bool guard_rear_whole(const struct guard_block *block)
{
    size_t n = rear_bytes(block);
    if (__builtin_expect(SHORT_REAR(n), 1)) {
        wide wrong = short_differs(block->address + block->size, n);
        return !(wrong[0] | wrong[1]);
    }
    return memory_differs(block->address + block->size, GUARD_BYTE, n) == n;
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
        arm_zones(block, freed ? GUARD_MAGIC_FREE : GUARD_MAGIC_USED);
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
