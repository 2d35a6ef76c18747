/* A frozen copy of the process: what the agent, or whoever asked, reads while the program goes on.
 *
 *   freeze_prepare     before the threads are stopped: what can fail, and is slow
 *   freeze_fork        while they are stopped
 *   freeze_release     once they go on: tells the copy how long that was, and lets go of it
 *
 * One freeze at a time: the caller holds the agent's channel (snapshot/agent.h). */
#ifndef MIDDEN_SNAPSHOT_FREEZE_H
#define MIDDEN_SNAPSHOT_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/wire.h"

struct freeze {
    int life[2];                /* [0] goes to the reader, [1] is the copy's */
    int to;                     /* where the copy sends its request; the caller's */
    int pid;                    /* of the copy; 0: there is none */
    uint64_t lifetime_ns;       /* it lives no longer */
    struct wire_request *request; /* complete but for pause_ns */
};

/* request, to: see above. Returns 0 or a negated errno: -EAGAIN when too many copies are alive already. */
long freeze_prepare(struct freeze *freeze, struct wire_request *request, int to, uint64_t lifetime_s);

/* Makes the copy. Returns its pid, or a negated errno. Every signal is blocked meanwhile. */
long freeze_fork(struct freeze *freeze);

/* After freeze_fork(), whatever it returned. */
void freeze_release(struct freeze *freeze, uint64_t pause_ns);

/* Buries copies that have ended; any thread, never waits. Returns how many are alive. */
unsigned freeze_reap(void);

/* true: pid is a copy; the program's wait family must pass over it. freeze_reaped: it has been waited for. */
bool freeze_owns_pid(int pid);
void freeze_reaped(int pid);

/* In a fork child: the copies are its parent's. */
void freeze_fork_child(void);

/* What the copy does until its end (snapshot/frozen.c). */
_Noreturn void frozen_live(const struct freeze *freeze);

#endif
