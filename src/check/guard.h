/* The witnesses around a block: magic word, guard zones, fills. They are compared with the record, never read for a decision.
 *
 *    start            address                    address + size        start + room
 *    ┌────────┬───────┬──────────────────────────┬─────────────────────┐
 *    │ magic  │ guard │ the program's bytes      │ guard               │
 *    └────────┴───────┴──────────────────────────┴─────────────────────┘
 *      8 bytes 8 bytes  size                       at least `rear` bytes
 *
 * The magic word tells USED from FREE and is bound to the address, so that a copied header is no valid one. Profiles without
 * guards have front == rear == 0: then nothing is written and nothing can be found damaged. */
#ifndef MIDDEN_CHECK_GUARD_H
#define MIDDEN_CHECK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/witness.h"

#define GUARD_MAGIC_USED WITNESS_USED
#define GUARD_MAGIC_FREE WITNESS_FREE
#define GUARD_BYTE WITNESS_BYTE /* of guard zones */
#define GUARD_WORD (0x0101010101010101ull * GUARD_BYTE)
#define GUARD_FILL_ALLOC 0xcb   /* of new blocks: as a pointer it is not canonical, as a number odd and negative */
#define GUARD_FILL_FREE 0xdb    /* of freed blocks */
#define GUARD_NO_FILL 256
#define GUARD_FILL_MAX ((size_t)WITNESS_FILL_MAX) /* bytes filled at the start of a larger block */
#define GUARD_SHUT_LEAST ((size_t)1 << 20) /* freed blocks from this size on become inaccessible instead of filled */
#define GUARD_REAR_MAX ((size_t)4096)      /* bytes of a longer rear zone that are written and compared */

struct guard_setting {
    size_t front, rear;         /* bytes; front is 0 or 16 */
    size_t apart;               /* room that a block takes beyond its size: front + rear, or 1 where there are none; then a pointer to
                                   its end (of a full std::vector, say) is none to the next block's start, for leak checks */
    unsigned fill_alloc, fill_free; /* a byte, or GUARD_NO_FILL */
};
extern struct guard_setting guard_setting __attribute__((visibility("hidden")));  /* fixed after start */

struct guard_block {
    char *address;              /* as the program knows it */
    size_t size;                /* asked for */
    size_t room_end;            /* bytes from address to the end of its room, >= size */
};

enum guard_part { GUARD_FINE, GUARD_MAGIC, GUARD_FRONT, GUARD_REAR, GUARD_FILL };

/* What was found damaged. */
struct guard_damage {
    enum guard_part part;
    char *first;                /* first wrong byte */
    size_t extent;              /* bytes from the first to the last wrong one */
    uint64_t expected_word;     /* the magic word expected at first's word; 0: every byte should be `expected` */
    uint8_t expected;
};

/* Witnesses of a living block. fill: whether its bytes are filled too (not when the program wants zeros). */
void guard_arm(const struct guard_block *block, bool fill);

/* The fill of a new block alone. Profiles that fill new blocks only. */
void guard_fill_new(const struct guard_block *block);

/* Witnesses of a freed block. */
void guard_retire(const struct guard_block *block);

/* The same where the zones of the living block are known to be whole. */
void guard_retire_whole(const struct guard_block *block);

/* Compares the zones of a living block; true: whole. */
bool guard_whole(const struct guard_block *block, struct guard_damage *damage);

/* The same of the zone in front alone: guard_whole names damage behind first, and there may be both. */
bool guard_whole_before(const struct guard_block *block, struct guard_damage *damage);

/* Compares the fill and the zones of a freed block; true: nobody wrote to it since. */
bool guard_untouched(const struct guard_block *block, struct guard_damage *damage);

/* Makes the pages of a freed block of GUARD_SHUT_LEAST bytes and more inaccessible and gives their memory back to the kernel. start,
 * bytes: whole pages that hold nothing else. false: the kernel refused; nothing has changed. */
bool guard_shut(char *start, size_t bytes);
/* Opens the page at an address within them, after a touch of it was reported. */
void guard_reopen(const void *address);

/* Puts right what guard_whole found, so that it is found once. */
void guard_mend(const struct guard_block *block, bool freed);

#endif
