/* libunwind, opened privately: for what the rules cannot express, and as the oracle of the tests. */
#ifndef MIDDEN_TRACE_UNWINDER_H
#define MIDDEN_TRACE_UNWINDER_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/capture.h"

/* true: it is there now (opened by this call or an earlier one). */
bool unwinder_open(void);
bool unwinder_ready(void);

/* Walks from the frame that `start` names, which is one of the callers of this function, to pcs[max], innermost first.
 * interrupted[i]: pcs[i] is of an interrupted instruction. *ended: the walk came to the outermost frame. Returns the frames; 0:
 * libunwind is not there, or did not come by `start`. */
unsigned unwinder_walk(const struct capture_start *start, uintptr_t *pcs, bool *interrupted, unsigned max, bool *ended);

#endif
