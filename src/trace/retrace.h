/* Retrace: the stack of a thread, walked only as far as it differs from its last one. */
#ifndef MIDDEN_TRACE_RETRACE_H
#define MIDDEN_TRACE_RETRACE_H

#include "trace/capture.h"
#include "trace/memo.h"
#include "trace/threads.h"

/* The stack that starts at `start`, which is no interrupted instruction and on the thread's own stack: to *node its id (0: no memory). At least
 * `max` frames are kept, all of a stack that has less than RETRACE_STEP more. false: it takes another kind of walk. */
#define RETRACE_STEP 32
bool retrace(struct thread_state *self, struct capture_memo *memo, const struct capture_start *start, unsigned max, uint32_t *node);

#endif
