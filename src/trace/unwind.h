/* Unwinding with all registers: for what the rules cannot express. */
#ifndef MIDDEN_TRACE_UNWIND_H
#define MIDDEN_TRACE_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/capture.h"
#include "trace/threads.h"

/* Walks from the frame that `start` names, which is one of the callers of this function, to frames[max], innermost first: each
 * a pc, with bit 63 set when it is of an interrupted instruction. *ended: the last one is the outermost frame of the stack.
 * Returns the frames; 0: it did not come by `start`. The caller has entered the stack (stack_enter). */
unsigned unwind_walk(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max, bool *ended);

#endif
