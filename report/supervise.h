/* The parent of the program: signals, stop and continue, its end. */
#ifndef MIDDEN_REPORT_SUPERVISE_H
#define MIDDEN_REPORT_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What parent and agent say to each other over their socket, one message each. */
struct supervise_ended {        /* to the agent: the program has ended */
    int32_t wait_status;        /* as of waitpid(2) */
};
struct supervise_verdict {      /* from the agent: everything is written */
    uint32_t gating;            /* 1: something gating was found in the program or its tree */
    int32_t exitcode;           /* if so: the exit status that this calls for; 0: the program's own */
};

struct supervised {
    pid_t program, agent;
    int control;                /* socket to the agent */
    int signals;                /* signalfd of every signal; all are blocked */
};

/* Runs until the program has ended and the agent is done or gone. Returns the program's wait status. *verdict is all zero where
 * the agent died, which is said. */
int supervise(const struct supervised *supervised, struct supervise_verdict *verdict);

/* Ends this process as the wait status says the program ended: by the same signal, without a core file of its own, or with its exit
 * status, or with `status` instead where that is not -1 and no signal ended the program. */
void supervise_end_like(int wait_status, int status) __attribute__((noreturn));

#endif
