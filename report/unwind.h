/* The frames of a thread that stands still: its registers and stack lie in the image, the rules in its modules' files.
 *
 * For addresses on a stack that are to be named by function; allocation stacks were captured by the library and need none of
 * this. A thread is unwound when it is first asked about. */
#ifndef MIDDEN_REPORT_UNWIND_H
#define MIDDEN_REPORT_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "module_search.h"
#include "records.h"

struct unwinder;

struct unwound {
    uint64_t pc, sp;            /* the stack pointer in this frame; what lies from there to the next one's is this frame's */
    bool exact;                 /* pc is of the instruction to come, or lies within a call; not a return address */
};

/* places: where modules' files are looked for; NULL: on this machine. The records and their image must outlive it. Never NULL. */
struct unwinder *unwinder_open(struct records *records, const struct image_places *places);
void unwinder_close(struct unwinder *unwinder);     /* NULL is fine */

/* The frames of a thread (index in the records), innermost first; their number, 0: its registers are not known. Valid until the
 * unwinder is closed. */
size_t unwinder_frames(struct unwinder *unwinder, uint32_t thread, const struct unwound **frames);

/* The frame of that thread that the stack's word at `address` belongs to; NULL: none, or not known. */
const struct unwound *unwinder_frame_at(struct unwinder *unwinder, uint32_t thread, uint64_t address);

#endif
