/* A pointer that the leak check is to find while its thread is in the middle of malloc or free.
 *
 * From the store that makes a record LIVE until malloc has returned, and from the call of free until the record is claimed, the block is
 * held by nothing but the thread that does it: by its registers and its stack, which are roots. But the address of a block can be computed,
 * from its slab and slot, and a compiler that knows so keeps it nowhere while it needs it for nothing. A thread that is parked at such
 * an instruction holds no pointer, and its block would be told as lost.
 *
 * So the compiler is told that the value is another one, which it cannot compute, and up to where it is needed (quick_find() sees to it, too:
 * what it compares an address with says nothing of that). It takes no instruction. tests/subjects/roots/each-instruction.c goes through
 * all of them. */
#ifndef MIDDEN_ENGINE_HELD_H
#define MIDDEN_ENGINE_HELD_H

#include "format/record.h"
#include "heap/bits.h"

/* The pointer, as a value that nothing is known of. */
ALWAYS_INLINE void *held(const void *address)
{
    __asm__("" : "+r"(address));
    return (void *)(uintptr_t)address;
}

/* Before the record becomes LIVE: from here on the block's address is in a register or on the stack for as long as it is used, and
 * stores to the record come later. */
ALWAYS_INLINE void held_before(char **address, struct record_block **record)
{
    __asm__("" : "+r"(*address), "+r"(*record));
}

/* Behind what makes the record another thing than LIVE: up to here the pointer is in a register or on the stack. */
ALWAYS_INLINE void held_until_here(const void *address)
{
    __asm__ volatile("" : : "r"(address) : "memory");
}

#endif
