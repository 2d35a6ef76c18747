/* Where reports go: the names of --log-file, --json and their like, and writing a report in one piece. */
#ifndef MIDDEN_REPORT_OUTPUTS_H
#define MIDDEN_REPORT_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Checks a FILE value: every % begins %p, %n, %q{VAR} with VAR set, or %%. false: not so, said with `shown` in front. */
bool output_check(const char *shown, const char *file);

/* Does every program image get a file of its own, because %p stands in the name? */
bool output_each(const char *file);

/* The name with %p, %n, %q{VAR} and %% filled in; owned by the caller. image: its number within pid, from 1, which is %n; from 2 on %p
 * is pid.N. */
char *output_name(const char *file, pid_t pid, unsigned image);

/* The name for a process that FILE without %p does not belong to: FILE.PID, or FILE.PID.N for its Nth image. Owned by the caller. */
char *output_other_name(const char *file, pid_t pid, unsigned image);

/* The name of the Nth snapshot's file beside file `name`: "snapshot-N" stands before the last of the name's extensions. Owned by the
 * caller. */
char *output_numbered(const char *name, unsigned number);

/* Opens (creates, empties) a file to write. Close-on-exec. -1: errno says why; nothing was said. */
int output_open(const char *path);

/* Writes all of it. false: errno says why. */
bool output_write(int fd, const char *text, size_t n);

#endif
