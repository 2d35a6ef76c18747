/* The processes of a run, as the agent sees them: who lives, which program image each is in, what was found in it. */
#ifndef MIDDEN_REPORT_TREE_H
#define MIDDEN_REPORT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "analysis.h"
#include "formats.h"

struct process {
    struct process *next;       /* in the order they were seen */
    pid_t pid;
    int pidfd;                  /* readable when it has ended; -1: none to be had */
    bool program;               /* the one that `midden run` started */
    bool owner;                 /* FILE without %p is its file: the program; under a bare preload the first process of a tree */
    bool started;               /* WIRE_STARTED came for its current image */
    bool dead;
    unsigned requests;          /* of it that are not answered yet */
    char *command;              /* its name for the summary; owned */

    unsigned banner;            /* number of the image that was announced, where images are */
    unsigned dumps;             /* that it asked for, under the name of --dump-file */
    unsigned logs, written[FORMATS]; /* files of each kind that were opened for it */

    /* The current image. */
    unsigned image;             /* its number, from 1 */
    int log, files[FORMATS];    /* its own files where they are open, else -1 */
    struct analysis *shown;     /* findings shown so far, oldest first */
    struct analysis *whole;     /* all of it, as of its latest exec or end; NULL: nothing yet */
    struct checked_leak *checked;   /* the records of its last leak check on demand; owned */
    size_t n_checked;
    bool closed;                /* its report was made and it is counted */
    bool told;                  /* its whole report was shown as text */

    /* Images before it. */
    struct analysis *earlier;   /* those of the program without a file of their own: their errors go into the last report */

    /* All images that are over, for the summary. */
    size_t errors;              /* of severity error, neither suppressed nor known */
    struct leak_total leaked;   /* definite and possible */
    size_t images;
    bool gating;
    int exitcode;               /* as of the tree */
};

struct tree {
    size_t n_known;             /* findings that a baseline knows, in all images */
    struct process *processes;
    size_t n_seen;              /* processes ever */
    size_t n_images;            /* images of processes that were dropped from the list */
    bool gating;                /* something gating was found in any of them */
    bool failed;                /* a file that was asked for is not there: gating for the command, in no report */
    int exitcode;               /* if so: the exit status that this calls for; 0: the program's own */
};

/* The living process pid; NULL: not known. */
struct process *tree_find(struct tree *tree, pid_t pid);

/* The living process pid, entered now if it is not known. Never NULL. */
struct process *tree_enter(struct tree *tree, pid_t pid);

/* Reads its command anew, after an exec. */
void process_rename(struct process *process);

/* Forgets a process that had nothing to say (it stays counted). */
void tree_drop(struct tree *tree, struct process *process);

/* Has it ended, as far as can be told? */
bool process_is_dead(const struct process *process);

/* How an ended process that is no child of ours ended, where the kernel tells (Linux 6.15 on): its wait status. */
bool process_exit(const struct process *process, int *wait_status);

/* Writes the summary over all processes of a run, one line for each that had something to say, to a text stream. */
void tree_summary(const struct tree *tree, FILE *out);

/* The same for a model: fills in model->run, but for rules and baseline. */
void tree_describe(const struct tree *tree, struct model *model);

#endif
