/* Outer forms of a report. They read the model, and write to a stream whose errors the caller checks (ferror). */
#ifndef MIDDEN_REPORT_RENDER_H
#define MIDDEN_REPORT_RENDER_H

#include <stdbool.h>
#include <stdio.h>

#include "model.h"

struct valgrind_style;

enum render_part { RENDER_ERRORS = 1, RENDER_LEAKS = 2, RENDER_HEAP = 4, RENDER_ALL = 7 };

struct render_options {
    bool colour;            /* escape sequences of a terminal */
    unsigned source_lines;  /* lines around the guilty one; 0: no excerpt */
    bool list_errors;       /* text: false: the findings were shown when they happened, only count them */
    size_t max_leaks;       /* text: leak records listed at most; 0: all */
    bool prefix_pid;        /* text: every line begins with ==PID== : several processes share the stream */
    unsigned parts;         /* text: enum render_part */
    const char *title;      /* text: what the first line says instead of "report of PROGRAM, pid N"; escaped; NULL: that */
    const struct valgrind_style *valgrind;  /* memcheck's forms: how; NULL: nothing special */
};

/* No colour, two lines of source above and below, findings listed, all leaks, all parts. */
extern const struct render_options render_defaults;

/* Text: one finding, at once. */
void render_text_error(const struct model *model, const struct model_error *error, const struct render_options *options, FILE *out);

/* Text: what is known about an address (model_new_about). */
void render_text_about(const struct model *model, const struct render_options *options, FILE *out);

/* Text: the whole report. */
void render_text(const struct model *model, const struct render_options *options, FILE *out);

/* A suppression in Valgrind's format that fits this leak record, or finding. false: there is none, because its stack was not
 * recorded. */
bool render_leak_suppression(const struct model_leak *leak, FILE *out);
bool render_error_suppression(const struct model_error *error, FILE *out);

/* Copies text to out with prefix ("==PID== ") in front of every line, but for the lines of suppressions: these are there to be copied. */
void render_prefixed(const char *text, const char *prefix, FILE *out);

/* Writes text with what a terminal could take for a command made visible: control bytes, bytes that are no UTF-8, marks that turn
 * the direction of writing. */
void render_escaped(const char *text, size_t n, FILE *out);

/* JSON, midden-report/1. false: it could not be written (errno). */
bool render_json(const struct model *model, FILE *out);

/* Other forms (formats.def). Those about living blocks take the listed leak records for them. false: it could not be written (errno). */
bool render_sarif(const struct model *model, FILE *out);
bool render_html(const struct model *model, FILE *out);
bool render_github(const struct model *model, FILE *out);
bool render_junit(const struct model *model, FILE *out);
bool render_folded(const struct model *model, FILE *out);
bool render_pprof(const struct model *model, FILE *out);
bool render_sqlite(const struct model *model, FILE *out);

/* In memcheck's forms (valgrind.h). Text without what stands in front of every line: what the command starts with, an error at once,
 * the whole at the end. argv: PROGRAM's; NULL: command stands for it. */
void render_valgrind_banner(char *const *argv, const char *command, const struct valgrind_style *style, FILE *out);
void render_valgrind_error(const struct model *model, const struct model_error *error, const struct valgrind_style *style,
                           FILE *out);
void render_valgrind_text(const struct model *model, const struct valgrind_style *style, FILE *out);

/* style NULL: nothing is known of one. false: it could not be written (errno). */
bool render_valgrind_xml(const struct model *model, const struct valgrind_style *style, FILE *out);

#endif
