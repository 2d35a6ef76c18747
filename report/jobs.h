/* Work done by a few threads while the one that hands it out goes on with something else. */
#ifndef MIDDEN_REPORT_JOBS_H
#define MIDDEN_REPORT_JOBS_H

#include <stddef.h>

/* The head of a struct of the user's. */
struct job {
    struct job *next;
    void (*work)(struct job *job);      /* called in one of the threads */
};

struct jobs;

/* Threads are started when they are first needed, as many as the machine has processors (at least two, at most eight), with every
 * signal blocked as in the caller. Never NULL. */
struct jobs *jobs_new(void);

/* A descriptor that is readable when jobs_done() has one. */
int jobs_fd(const struct jobs *jobs);

void jobs_start(struct jobs *jobs, struct job *job);

/* A job whose work has been done, in the order in which they were; NULL: none now. */
struct job *jobs_done(struct jobs *jobs);

#endif
