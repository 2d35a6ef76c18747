/* From a request to a report in the right place. */
#ifndef MIDDEN_REPORT_DELIVER_H
#define MIDDEN_REPORT_DELIVER_H

#include <stdbool.h>

#include "settings.h"
#include "symbols.h"
#include "tree.h"
#include "wire.h"

struct suppressions;
struct baseline;

struct delivery {
    const struct settings *settings;
    struct suppressions *suppressions;  /* NULL: none */
    struct baseline *baseline;          /* NULL: none */
    struct symbols *symbols;
    struct model_options options;
    struct tree tree;
    bool under_run;             /* false: the library started this agent by itself */
    int log, files[FORMATS];    /* the program's files for its first image, opened before it started; -1: none */
    char **argv;                /* the program's; NULL under a bare preload */
};

/* settings, suppressions, baseline and argv must outlive it. */
void delivery_init(struct delivery *delivery, const struct settings *settings, struct suppressions *suppressions, struct baseline *baseline,
                   bool under_run);

/* What a request is answered with. */
struct delivered {
    bool done;                  /* false: it failed, and that was said */
    bool gating;
    struct wire_reply checked;  /* WIRE_CHECK: figures, and how many records gate */
};

/* An image began: closes the one before it in the same process. */
void deliver_started(struct delivery *delivery, struct process *process);

/* For an event whose report takes an analysis (WIRE_FINDING, WIRE_EXEC, WIRE_END, WIRE_CHECK, WIRE_DESCRIBE): how to make it. Takes the message's
 * descriptors over; the message must outlive the order. The process is the order's until deliver_done(). false: another event. */
bool deliver_order(const struct delivery *delivery, struct process *process, struct wire_message *message, struct analysis_order *order);

/* The analysis is made (NULL: it failed, and that was said; taken over): its report is delivered. */
struct delivered deliver_done(struct delivery *delivery, struct process *process, const struct wire_message *message,
                              struct analysis *analysis);

/* WIRE_DUMP (deliver_dump.c): needs nothing but the process, and may be called in another thread. */
struct delivered deliver_dump(struct delivery *delivery, struct process *process, struct wire_message *message);

/* A process other than the program is gone (or its agent ends): what is due is written, and it is dropped if it had nothing to
 * say. The pointer is then no longer valid. */
void deliver_gone(struct delivery *delivery, struct process *process);

/* The program has ended: its last report, and the summary if there were several processes. */
void deliver_program(struct delivery *delivery, struct process *program, int wait_status);

#endif
