/* A recorded stack as frames, by the report's conventions.
 *
 * Frames of the tool's own module are left out; the allocation or freeing call, where there is one, is put in front as frame 0;
 * inlined frames precede their host. */
#ifndef MIDDEN_REPORT_FRAMES_H
#define MIDDEN_REPORT_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "records.h"
#include "symbols.h"

struct stack {
    const struct frame **frames;    /* innermost first */
    size_t n;
    bool truncated;                 /* the program's stack had more */
    bool to_main;                   /* what is outside of main was left out (records->to_main) */
    bool exact;                     /* frame 0 stands at an instruction that was interrupted, not behind a call */
};

/* The frames of it that a reader with a bug to find wants to see: up to main, or where that has no name, to what libc called as the program began. */
size_t frames_to_main(const struct stack *stack);

/* The stack `id` (0: empty but for frame 0). call: the function called, RECORD_BY_NONE: no frame 0. */
struct stack frames_of(struct records *records, struct symbols *symbols, struct arena *arena, uint32_t id, enum record_allocator call);

/* The call that is meant to free what `allocator` gave, in its plain form: free, operator delete, operator delete[]. */
enum record_allocator frames_counterpart(unsigned allocator);

/* The call that freed the block of this record, which says QUARANTINED or FREE. Of the sized and nothrow forms of operator delete, which are not
 * told apart, the plain one. */
enum record_allocator frames_freed_by(struct records *records, const struct record_block *record);

/* One frame for the entry of an allocation call. */
const struct frame *frames_entry(struct records *records, struct arena *arena, enum record_allocator call);

/* The frame a reader wants to see first: the first one of the program's own code (not libc, the loader or the C++ library) that
 * has a line, else the first with a function, else the first after frame 0; NULL: there is none but the allocation call. */
const struct frame *frames_guilty(const struct stack *stack);

/* A number for the stack that survives address layout, rebuilds, moved lines and other inlining of library code: from the names
 * (stable_name.h) of the program's own functions and modules, at most the innermost 16, down to main. */
uint64_t frames_fingerprint(const struct stack *stack, uint64_t seed);

/* A number for the places in these functions (lines; without debug information offsets): it tells two stacks of one fingerprint
 * apart, within one build. */
uint64_t frames_place(const struct stack *stack);

/* true: the frame is of libc, the loader, the C++ library, or of a header of theirs; or an allocation call. */
bool frames_is_library(const struct frame *frame);

/* Name of an allocation or freeing call in reports. */
const char *frames_allocator_name(unsigned allocator);

/* The last component of a path. */
const char *frames_basename(const char *path);

#endif
