/* The agent: waits for requests from processes that carry the library, and answers each with a report. */
#ifndef MIDDEN_REPORT_AGENT_H
#define MIDDEN_REPORT_AGENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "deliver.h"

struct agent {
    struct delivery delivery;
    int listener;       /* descendants connect here; -1: nobody can (bare preload) */
    int control;        /* to the supervisor (supervise.h); -1: there is none */
    pid_t program;      /* the one that `midden run` started; 0: none */
};

/* Serves until the program has ended and everybody who was talking is answered (under run), or until the library closes its
 * socket `library` (bare preload; -1 under run). Returns an exit status. */
int agent_serve(struct agent *agent, int library);

#endif
