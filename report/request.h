/* Asking a process for its image, without any right to trace it: the process's library freezes it and sends a copy. */
#ifndef MIDDEN_REPORT_REQUEST_H
#define MIDDEN_REPORT_REQUEST_H

#include "error.h"
#include "image.h"

/* The image of process `pid`, which goes on meanwhile; image->snapshot says how it was taken and how long the process stood still,
 * image->time when. Works for processes of the same user, and for root on all, that carry libmidden.so.
 *
 * A process that is stopped, or does not answer, is read as it is where that is allowed: then snapshot.frozen is false.
 *
 * NULL: *error says why, in one line that names the process. *no_library (may be NULL): true, if it does not carry the library. */
struct image *request_snapshot(int pid, bool *no_library, struct error *error);

#endif
