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
    bool inside;                        /* the engine is at work: the thread may hold its locks */
    const ucontext_t *context;          /* what our signal handler interrupted; NULL: called by the program */
    const struct capture_start *from;   /* where, then; NULL: here */
    uintptr_t low;                      /* and from where up its stack is alive; 0: from here */
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

/* Takes one for the agent, and waits for its answer if there is a reply to put it in. `to` is set here. false: none was given, or no
 * answer came. The same conditions. */
bool snapshot_tell(struct thread_state *self, struct snapshot *snapshot);

/* ---- periodic ones (engine/periodic.c) ---- */

/* Sets the timer of --snapshot-every; again in a fork child. */
void periodic_start(void);

/* true: the signal comes of it. */
bool periodic_is(const siginfo_t *info);
void periodic_tick(struct thread_state *self, const ucontext_t *context);

/* ---- dumps (engine/dump.c): where --dump-on wants one ---- */

void dump_on_error(struct thread_state *self, enum record_kind kind, const struct capture_start *from);
void dump_on_crash(struct thread_state *self, int number, const siginfo_t *info, const ucontext_t *context);
void dump_fork_child(void);
/* At the end, the caller holding the agent's channel, every other thread stopped. */
void dump_on_exit(void);

/* The park signal, sent by somebody else than a thread that parks. */
void snapshot_on_signal(siginfo_t *info, ucontext_t *context);

/* Makes it known how to ask for one. */
void snapshot_publish(void);

/* No more: the program enters a sandbox. */
void snapshot_stop(void);
bool engine_sandboxed(void);    /* it did */

#endif
