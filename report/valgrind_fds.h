/* --track-fds: the descriptors that a process leaves open. */
#ifndef MIDDEN_REPORT_VALGRIND_FDS_H
#define MIDDEN_REPORT_VALGRIND_FDS_H

#include <stdio.h>
#include <sys/types.h>

struct valgrind_style;
struct valgrind_inherited;

/* What this process will hand on to a program: remembered, to be told apart from what the program opens. Never NULL. */
struct valgrind_inherited *valgrind_inherited(void);

/* Writes the list, as style->track_fds wants it, of a process that stands still at its end. Nothing if it cannot be read. */
void valgrind_fds(pid_t pid, const struct valgrind_style *style, FILE *out);

#endif
