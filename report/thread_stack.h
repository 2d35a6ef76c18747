/* The stacks of an image's threads, unwound from their registers. */
#ifndef MIDDEN_REPORT_THREAD_STACK_H
#define MIDDEN_REPORT_THREAD_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "module_search.h"
#include "records.h"

struct thread_frame {
    uint64_t pc;
    uint64_t sp;                /* when it was (or is again) the innermost; its frame lies from here to the next one's sp */
    bool exact;                 /* pc is of the instruction itself, no return address */
};

/* The general registers of thread `index` of the records, in the order of record_thread.registers. NULL: they are not known (it runs,
 * or has ended). *n: how many. */
const uint64_t *thread_registers(const struct records *records, size_t index, size_t *n);

struct thread_stacks;

/* Opens the modules for unwinding. Never NULL; what cannot be opened makes stacks end early. records must outlive it; places may be NULL. */
struct thread_stacks *thread_stacks_open(struct records *records, const struct image_places *places);
void thread_stacks_close(struct thread_stacks *stacks);     /* NULL is fine */

/* The frames of a thread, innermost first; returns their number, 0: its registers are not known. Valid until closed. */
size_t thread_stack(struct thread_stacks *stacks, size_t index, const struct thread_frame **frames);

#endif
