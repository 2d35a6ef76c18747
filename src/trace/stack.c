/* What is readable of the stacks that a thread runs on.
 *
 * An unwind follows numbers that it finds on the stack. Where those are wrong (a damaged stack, code without tables), it must
 * stop and not fault. Two ranges are kept per thread, each grown page by page, each page probed once by a system call:
 *
 * 1. the thread's own stack: contiguous readable pages around an address that was on it when the thread was registered. It
 *    is there as long as the thread lives. Growth goes down as calls nest deeper, and up where frames lie above that address.
 * 2. the other stack on which it ran last: a signal stack, or one of a program that switches stacks. It is forgotten when an unwind
 *    starts neither there nor on the own stack. Running on it means that it is there from the stack pointer up.
 *
 * Limits: a gap of more than 64 MiB between what is known of the own stack and an address makes that address another stack's.
 * A program that unmaps part of a stack it runs on, above its frames, and then damages them, can still bring us to fault. */
#include "trace/stack.h"

#include "base/kernel.h"

#define GROWTH_MAX ((uintptr_t)64 << 20)
#define OTHER_GROWTH_MAX ((uintptr_t)1 << 20)

/* Grows [*low, *high), which is not empty, by readable pages until it holds `page`. false: there is a gap. */
static bool grow(uintptr_t *low, uintptr_t *high, uintptr_t page, uintptr_t most)
{
    uintptr_t size = kernel_page_size();
    if (page < *low && *low - page > most)
        return false;
    if (page >= *high && page - *high >= most)
        return false;
    while (page < *low) {
        if (!kernel_readable((const void *)(*low - size), 8))
            return false;
        *low -= size;
    }
    while (page >= *high) {
        if (!kernel_readable((const void *)*high, 8))
            return false;
        *high += size;
    }
    return true;
}

bool stack_reach(struct thread_state *self, uintptr_t address)
{
    uintptr_t size = kernel_page_size(), page = address & ~(size - 1);
    if (address < size || address > UINTPTR_MAX / 2)
        return false;
    if (self->stack_low == self->stack_high) {
        uintptr_t start = self->record->start_sp & ~(size - 1);
        if (!start || !kernel_readable((const void *)start, 8))
            return false;
        self->stack_low = start;
        self->stack_high = start + size;
    }
    if (self->other_low != self->other_high && grow(&self->other_low, &self->other_high, page, OTHER_GROWTH_MAX))
        return true;
    if (grow(&self->stack_low, &self->stack_high, page, GROWTH_MAX))
        return true;
    if (!kernel_readable((const void *)page, 8))
        return false;
    self->other_low = page;
    self->other_high = page + size;
    return true;
}

bool stack_enter(struct thread_state *self, uintptr_t sp)
{
    if (sp & 7)
        return false;
    if (stack_known(self, sp))
        return true;
    self->other_low = self->other_high = 0;
    return stack_reach(self, sp);
}
