/* Starting PROGRAM as it would start without us. */
#ifndef MIDDEN_REPORT_LAUNCH_H
#define MIDDEN_REPORT_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* What midden changed for itself and the program must get back. */
struct launch_origin {
    sigset_t mask;
    struct sigaction child_action;  /* of SIGCHLD */
};

struct launch {
    pid_t pid;      /* of the child; forked, not yet running PROGRAM */
    int go;         /* a byte written here lets it start; closed without: it ends. Close-on-exec */
    int failure;    /* from here comes the errno of a failed exec, or the end of file once PROGRAM runs. Close-on-exec */
};

/* The environment for PROGRAM: ours with the library put first in LD_PRELOAD, options and agent set. Owned by the caller (one
 * free(): strings that are not of environ belong to it as well, so it is kept for the life of the command). */
char **launch_environment(const char *library, const char *options, const char *agent);

/* Forks the child, held until launch_go(). false: errno says why. */
bool launch_prepare(struct launch *launch, const struct launch_origin *origin, const char *path, char **argv, char **environment);

/* Lets the child start PROGRAM. 0: it runs; else the errno of exec, and the child is ending. */
int launch_go(struct launch *launch);

/* Ends the held child and reaps it. */
void launch_cancel(struct launch *launch);

#endif
