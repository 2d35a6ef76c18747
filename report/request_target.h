/* What /proc tells about a process that is to be asked for its image. */
#ifndef MIDDEN_REPORT_REQUEST_TARGET_H
#define MIDDEN_REPORT_REQUEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct target {
    int pid;
    int signal;         /* that its library listens to; 0: it has none. Under a debugger one that it passes on, if the library has one */
    char state;         /* as in /proc/PID/status: R, S, D, T, t, Z, X */
    bool sandboxed;     /* in a seccomp filter */
    int tracer;         /* pid of its debugger; 0: none */
};

/* false: there is no such process, or it may not be looked at; *error. target->signal 0: it carries no library of ours. */
bool target_look(struct target *target, int pid, struct error *error);

/* Its debugger has something to do: a stop is about to end. */
bool target_tracer_runs(const struct target *target);

/* Its threads that can take the signal now, those that are likely to answer soon first; owned by the caller. NULL: none. */
int *target_threads(const struct target *target, size_t *n);

/* A socket of family AF_UNIX, SOCK_SEQPACKET, in the network namespace of the process: abstract names are of one namespace. -1:
 * *error. */
int target_socket(const struct target *target, struct error *error);

#endif
