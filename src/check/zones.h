/* The zones around a block, written and compared by vectors: for guard.c, and for the paths of malloc and free, which compile it into
 * their own. What is found not to be whole here is looked at again by guard.c, byte by byte.
 *
 * Rear zones of one to four vectors are nearly all: four are written and read whatever the length, which is no branch to guess. */
#ifndef MIDDEN_CHECK_ZONES_H
#define MIDDEN_CHECK_ZONES_H

#include "base/memory.h"
#include "check/guard.h"
#include "heap/bits.h"

typedef uint64_t zones_wide __attribute__((vector_size(16), aligned(1), may_alias));
#define ZONES_WIDE(address) (*(zones_wide *)(void *)(address))
#define ZONES_PATTERN ((zones_wide){GUARD_WORD, GUARD_WORD})
#define ZONES_SHORT(bytes) ((bytes) - 16 <= 48)

ALWAYS_INLINE uint64_t zones_magic(const struct guard_block *block, uint64_t magic)
{
    return witness_word((uint64_t)(uintptr_t)block->address, magic);
}

ALWAYS_INLINE size_t zones_rear_bytes(const struct guard_block *block)
{
    size_t n = block->room_end - block->size;
    return n < GUARD_REAR_MAX ? n : GUARD_REAR_MAX;
}

ALWAYS_INLINE size_t zones_no_more(size_t offset, size_t last)
{
    return offset < last ? offset : last;
}

/* bytes: ZONES_SHORT. */
ALWAYS_INLINE void zones_fill_short(char *zone, size_t bytes)
{
    size_t last = bytes - 16;
    ZONES_WIDE(zone) = ZONES_PATTERN;
    ZONES_WIDE(zone + zones_no_more(16, last)) = ZONES_PATTERN;
    ZONES_WIDE(zone + zones_no_more(32, last)) = ZONES_PATTERN;
    ZONES_WIDE(zone + last) = ZONES_PATTERN;
}

/* Not zero in some bit where a byte is not the pattern's. bytes: ZONES_SHORT. */
ALWAYS_INLINE zones_wide zones_short_differs_from(char *start, size_t bytes, zones_wide pattern)
{
    size_t last = bytes - 16;
    return ((ZONES_WIDE(start) ^ pattern) | (ZONES_WIDE(start + zones_no_more(16, last)) ^ pattern))
         | ((ZONES_WIDE(start + zones_no_more(32, last)) ^ pattern) | (ZONES_WIDE(start + last) ^ pattern));
}

/* The same of a zone. */
ALWAYS_INLINE zones_wide zones_short_differs(char *zone, size_t bytes)
{
    return zones_short_differs_from(zone, bytes, ZONES_PATTERN);
}

ALWAYS_INLINE void zones_arm(const struct guard_block *block, uint64_t magic)
{
    size_t rear = zones_rear_bytes(block);
    ZONES_WIDE(block->address - 16) = (zones_wide){zones_magic(block, magic), GUARD_WORD};
    if (__builtin_expect(ZONES_SHORT(rear), 1))
        zones_fill_short(block->address + block->size, rear);
    else
        memory_fill(block->address + block->size, GUARD_BYTE, rear);
}

/* All witnesses of a living block. fill: whether its bytes are filled too (not when the program wants zeros). */
ALWAYS_INLINE void zones_new(const struct guard_block *block, bool fill)
{
    if (guard_setting.rear)
        zones_arm(block, GUARD_MAGIC_USED);
    if (fill && guard_setting.fill_alloc != GUARD_NO_FILL)
        guard_fill_new(block);
}

/* Both zones at once, where the rear one is short. false: some byte may be wrong. */
ALWAYS_INLINE bool zones_quickly(const struct guard_block *block, uint64_t magic)
{
    size_t rear = block->room_end - block->size;
    if (!ZONES_SHORT(rear))
        return false;
    zones_wide front = ZONES_WIDE(block->address - 16) ^ (zones_wide){zones_magic(block, magic), GUARD_WORD};
    zones_wide both = front | zones_short_differs(block->address + block->size, rear);
    return !(both[0] | both[1]);
}

/* A small freed block, which was filled: fill and zones at once. false: some byte may be wrong, or the block is no small one. */
ALWAYS_INLINE bool zones_untouched_quickly(const struct guard_block *block)
{
    const zones_wide fill = {0x0101010101010101ull * GUARD_FILL_FREE, 0x0101010101010101ull * GUARD_FILL_FREE};
    size_t rear = block->room_end - block->size;
    if (!ZONES_SHORT(block->size) || !ZONES_SHORT(rear))
        return false;
    zones_wide front = ZONES_WIDE(block->address - 16) ^ (zones_wide){zones_magic(block, GUARD_MAGIC_FREE), GUARD_WORD};
    zones_wide all = front | zones_short_differs_from(block->address, block->size, fill)
                   | zones_short_differs(block->address + block->size, rear);
    return !(all[0] | all[1]);
}

/* The zone in front of a living block alone, and the one behind it. false: some byte of it is wrong. */
ALWAYS_INLINE bool zones_front_whole(const struct guard_block *block)
{
    zones_wide differs = ZONES_WIDE(block->address - 16) ^ (zones_wide){zones_magic(block, GUARD_MAGIC_USED), GUARD_WORD};
    return !(differs[0] | differs[1]);
}

ALWAYS_INLINE bool zones_rear_whole(const struct guard_block *block)
{
    size_t n = zones_rear_bytes(block);
    if (__builtin_expect(!ZONES_SHORT(n), 0))
        return memory_differs(block->address + block->size, GUARD_BYTE, n) == n;
    zones_wide wrong = zones_short_differs(block->address + block->size, n);
    return !(wrong[0] | wrong[1]);
}

/* Makes freed ones of a living block's zones, which are whole: only the word that tells them apart is written. */
ALWAYS_INLINE void zones_retire_whole(const struct guard_block *block)
{
    *(uint64_t *)(void *)(block->address - 16) = zones_magic(block, GUARD_MAGIC_FREE);
}

#endif
