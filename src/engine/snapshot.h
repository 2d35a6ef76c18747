/* Snapshots of the process, for the parts of the engine that take them. */
#ifndef MIDDEN_ENGINE_SNAPSHOT_H
#define MIDDEN_ENGINE_SNAPSHOT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "format/wire.h"
#include "trace/capture.h"
#include "trace/threads.h"

struct snapshot {
    struct wire_request request;        /* filled in by agent_fill(); the rest by snapshot_take() */
    int to;                             /* socket to the reader; the caller's */
    const ucontext_t *context;          /* what our signal handler interrupted; NULL: called by the program */
    const struct capture_start *from;   /* where, then; NULL: here */
    struct wire_reply *reply;           /* where a reader's answer goes that came while the process itself was read; NULL: none is waited for */

    /* Results. */
    bool given;                         /* the reader has, or has had, an image */
    bool frozen;                        /* a copy; the answer, if one was asked for, is still to come */
    bool answered;                      /* *reply is there already */
    int error;                          /* why there is no copy: an errno; 0: there is */
    uint64_t pause_ns;
};

/* Takes one. The caller has entered the engine and holds the agent's channel. */
void snapshot_take(struct thread_state *self, struct snapshot *snapshot);

/* The park signal, sent by somebody else than a thread that parks. */
void snapshot_on_signal(siginfo_t *info, ucontext_t *context);

/* No more: the program enters a sandbox. */
void snapshot_stop(void);

#endif
