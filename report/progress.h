/* How far long work is, on a terminal. */
#ifndef MIDDEN_REPORT_PROGRESS_H
#define MIDDEN_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    const char *what;           /* "looking for leaks" */
    struct timespec begun;
    int percent;                /* shown last; -1: nothing yet */
};

/* Is standard error a terminal? */
bool progress_wanted(void);

/* what must outlive it. */
void progress_begin(struct progress *progress, const char *what);

/* ctx: a struct progress. Shows nothing in the first half second, nor when standard error is no terminal. */
void progress_show(void *ctx, uint64_t done, uint64_t all);

/* Takes the line away. */
void progress_end(struct progress *progress);

#endif
