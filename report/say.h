/* One line to the user on standard error, and what to do when memory runs out. */
#ifndef MIDDEN_REPORT_SAY_H
#define MIDDEN_REPORT_SAY_H

/* Exit statuses of the command (CONTRACT: Exit status). A program's own status passes through. */
enum status {
    STATUS_DONE = 0,
    STATUS_UNUSABLE = 1,    /* an image cannot be used */
    STATUS_USAGE = 2,       /* wrong usage */
    STATUS_FAILED = 125,    /* midden itself failed */
    STATUS_CANNOT_RUN = 126,/* PROGRAM cannot be run */
    STATUS_NOT_FOUND = 127  /* PROGRAM cannot be found */
};

/* Writes "midden: ", the text and a newline in one write(2), so that lines of several processes do not mix. Control characters
 * in it (a file's name may hold some) come out as '?'. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* say(), then exit with STATUS_FAILED. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* pointer itself, which an allocation returned; ends the process with a line where it is NULL. */
void *need(void *pointer) __attribute__((returns_nonnull));

#endif
