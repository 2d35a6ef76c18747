/* Reports in memcheck's forms: its text and its XML, for what reads these already (CTest, IDEs, build servers, scripts). */
#ifndef MIDDEN_REPORT_VALGRIND_H
#define MIDDEN_REPORT_VALGRIND_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "model.h"

enum valgrind_track_fds { VALGRIND_FDS_NO, VALGRIND_FDS_YES, VALGRIND_FDS_ALL };

/* How such a report looks, as midden-valgrind was asked for it. */
struct valgrind_style {
    bool no_text;           /* only XML is wanted */
    bool quiet;             /* text: errors and leak records, nothing else */
    bool list;              /* text: all errors once more at the end, with their counts */
    bool rules;             /* text: the suppressions that were used are listed at the end */
    bool no_mismatches;     /* frees that do not match the allocation are no errors */
    bool silent_children;   /* nothing of a forked process before it runs another program */
    bool below_main;        /* stacks go on below main() */
    bool whole_paths;       /* files with their directories, */
    const char **strip;     /* of which these beginnings are left out */
    size_t n_strip;
    bool times;             /* text: every line begins with the time since the start */
    struct timespec begun;
    const char *marks[2];   /* text: a line before and after every error; NULL: none */
    enum valgrind_track_fds track_fds;  /* text: descriptors that are open at the end; ALL: the standard ones as well */
    struct valgrind_inherited *inherited;   /* with track_fds: those that were there before */
    const char *comment;    /* XML: passed on as it is; NULL: none */
    const char *file;       /* XML: its file as it was named, with %p and the like; NULL: none */
    char **argv;            /* the tool's own, up to PROGRAM; NULL: not known */
    size_t argc;
    const char **notes;     /* about options without effect */
    size_t n_notes;
    int parent;             /* pid of who called the tool; 0: not known */
    int log, xml;           /* descriptors to write text and XML to; -1: standard error, the files of the options */
};

/* No text, no options. */
extern const struct valgrind_style valgrind_style_default;

/* ---- what an error is called ---- */

enum { VALGRIND_PARTS = 6 };

/* An error in memcheck's words: the sentence, the stack, then further sentences and stacks in order. */
struct valgrind_words {
    const char *kind;           /* as in the XML */
    const char *what;
    const struct stack *stack;  /* NULL: nobody stood anywhere, and no block is known */
    struct {
        const char *text;
        const struct stack *stack;  /* NULL: none */
    } parts[VALGRIND_PARTS];
    size_t n_parts;
};

/* false: memcheck knows nothing of the sort (a warning; the end by a signal that is no wrong access). Text lives in the arena. */
bool valgrind_words(const struct model_error *error, struct arena *arena, struct valgrind_words *words);

/* "3 bytes in 1 blocks are definitely lost in loss record 1 of 1", and the kind's name in the XML. */
const char *valgrind_leak_words(const struct model_leak *leak, size_t record, size_t records, struct arena *arena);
const char *valgrind_leak_kind(enum leak_kind kind);

/* The leak records to list, in memcheck's order, the smallest first: list[] is filled with indexes into leak_records, numbers[]
 * with each one's place among all loss records. Both are in the arena. Returns how many. */
size_t valgrind_leaks(const struct model *model, struct arena *arena, size_t **list, size_t **numbers);

/* A number with commas between thousands. */
const char *valgrind_number(uint64_t number, struct arena *arena);

/* Frames to show of a stack: up to main(), unless the style says otherwise. */
size_t valgrind_depth(const struct stack *stack, const struct valgrind_style *style);

/* The address that a frame shows: of the call, not of what follows it. */
uint64_t valgrind_pc(const struct stack *stack, size_t frame);

/* Errors as memcheck counts them: how often, and how many different ones. Suppressed ones apart. Leak records that are errors count. */
struct valgrind_counts {
    uint64_t errors, contexts, suppressed, suppressed_contexts;
};
struct valgrind_counts valgrind_count(const struct model *model);

/* Takes frees that do not match the allocation out of the model, and judges it again. */
void valgrind_drop_mismatches(struct model *model);

/* The error that tells of the signal the program died of; NULL: none was seen. */
const struct model_error *valgrind_fatal(const struct model *model);

#endif
