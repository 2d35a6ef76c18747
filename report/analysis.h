/* A program image read and analysed: a model with what it stands on. */
#ifndef MIDDEN_REPORT_ANALYSIS_H
#define MIDDEN_REPORT_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "format/wire.h"
#include "image.h"
#include "model.h"

struct suppressions;
struct baseline;

struct analysis {
    struct records *records;
    struct model *model;
    struct analysis *next;      /* younger */
};

/* What to analyse, and how. */
struct analysis_order {
    pid_t pid;
    const char *command;        /* the process's name in messages */
    unsigned image;             /* its number among those of the pid */
    struct image_fds fds;       /* of its memory, or its copy's; closed */
    const struct wire_request *request; /* what came with them */
    size_t finding;             /* only this one; 0: everything */
    bool about;                 /* only what is known about this address */
    uint64_t about_address;
    struct model_options options;
    bool to_main;               /* frames outside of main are not wanted; suppressions may want them all the same */
    const bool *given;          /* [OPTIONS]: what the user said himself; NULL: nothing */
    struct symbols *symbols;
    struct suppressions *suppressions;  /* NULL: none */
    const struct baseline *baseline;    /* NULL: none */
};

/* NULL: the image or the finding cannot be read; said. */
struct analysis *analysis_read(const struct analysis_order *order);

/* An analysis of nothing, for a process that could not be read. argv: the program's, NULL: unknown. */
struct analysis *analysis_nothing(pid_t pid, unsigned image, char *const *argv, const struct model_options *options);

/* Puts the errors of the analyses in `list` in front of the model's own. They must live on as long as the model. */
void analysis_prepend(struct model *model, const struct analysis *list);

/* Gives an analysis to the end of a list. */
void analysis_append(struct analysis **list, struct analysis *analysis);

/* Frees the whole list; NULL is fine. */
void analysis_free(struct analysis *analysis);

#endif
