/* What the witnesses around a block look like; see check/guard.h for where they lie. The library writes and compares them, the command
 * compares them in an image. */
#ifndef MIDDEN_FORMAT_WITNESS_H
#define MIDDEN_FORMAT_WITNESS_H

#include <stdint.h>

#define WITNESS_USED 0xb10c05ed5afe0001ull  /* magic word of a living block, before it is bound to the address */
#define WITNESS_FREE 0xdead0f4eed0b10c0ull  /* and of a freed one */
#define WITNESS_BYTE 0xf5                   /* of guard zones */
#define WITNESS_FILL_MAX (262144u)          /* bytes filled at the start of a larger block */

/* The magic word in front of the block at `address`: bound to it, so that a copied header is no valid one. */
static inline uint64_t witness_word(uint64_t address, uint64_t magic)
{
    return magic ^ address * 0x9e3779b97f4a7c15ull;
}

#endif
