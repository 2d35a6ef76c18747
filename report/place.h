/* Where the reports of one process go, and writing there. */
#ifndef MIDDEN_REPORT_PLACE_H
#define MIDDEN_REPORT_PLACE_H

#include <stdbool.h>
#include <stdio.h>

#include "render.h"
#include "settings.h"
#include "tree.h"

/* A text that is written in one piece, so that lines of several processes do not mix. */
struct text {
    FILE *stream;       /* to write to between text_begin and text_end */
    struct render_options look;
    /* Private. */
    const struct settings *settings;
    char *bytes;
    size_t n;
    int place;
    char prefix[64];    /* in front of every line; empty: none */
};

/* Begins a text of a process, opening its log file if it has one of its own that is not open yet. */
void text_begin(struct text *text, const struct settings *settings, struct process *process);

/* Writes it. what: its name in the message of a failure. */
void text_end(struct text *text, const char *what);

/* Makes sure that the process's log file of its current image is there. */
void place_open_log(const struct settings *settings, struct process *process);

/* The file for reports in that form as it was named; "": none. */
const char *place_file(const struct settings *settings, enum format_id id);

/* Is there a file, or a descriptor, for reports in that form? */
bool place_has_file(const struct settings *settings, enum format_id id);

/* Writes the report of the current image in one of the forms to the process's file. */
void place_write_file(const struct settings *settings, struct process *process, const struct model *model, enum format_id id);

/* Writes the report of a snapshot to a file of its own, numbered as the snapshot: FILE.snapshot-3.json for FILE.json. */
void place_write_snapshot(const struct settings *settings, const struct process *process, const struct model *model, enum format_id id);

#endif
