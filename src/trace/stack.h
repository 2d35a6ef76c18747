/* Which memory an unwind may read: the stack that the calling thread runs on, as far as it is known to be there. */
#ifndef MIDDEN_TRACE_STACK_H
#define MIDDEN_TRACE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/threads.h"

/* Slow part of stack_word: probes pages and extends what is known. */
bool stack_reach(struct thread_state *self, uintptr_t address);

/* To be called where an unwind starts, with its stack pointer. false: that is no readable stack. */
bool stack_enter(struct thread_state *self, uintptr_t sp);

static inline bool stack_known(const struct thread_state *self, uintptr_t address)
{
    /* The ends are multiples of a page: an aligned word that starts inside ends inside. */
    return address - self->stack_low < self->stack_high - self->stack_low
        || address - self->other_low < self->other_high - self->other_low;
}

/* true: the 8-byte word at `address`, which is aligned and above the stack pointer, can be read. */
static inline bool stack_word(struct thread_state *self, uintptr_t address)
{
    return (address & 7) == 0 && (stack_known(self, address) || stack_reach(self, address));
}

/* true: everything from `address` to the end of the thread's own stack as known can be read, now and as long as the thread
 * lives. */
static inline bool stack_is_own(const struct thread_state *self, uintptr_t address)
{
    return address - self->stack_low < self->stack_high - self->stack_low;
}

#endif
