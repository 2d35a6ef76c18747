/* Suppression rules between their reader and the matching. */
#ifndef MIDDEN_REPORT_SUPPRESSION_RULES_H
#define MIDDEN_REPORT_SUPPRESSION_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "suppressions.h"

enum pattern_kind { PATTERN_FUNCTION, PATTERN_OBJECT, PATTERN_SOURCE, PATTERN_ELLIPSIS };

struct pattern {
    enum pattern_kind kind;
    char *text;             /* with `*` and `?`; NULL for the ellipsis */
    char *demangled;        /* of a C++ function's name; NULL: none */
    unsigned line;          /* of PATTERN_SOURCE; 0: any */
};

/* What a rule is about. */
enum subject { ABOUT_LEAKS = 1, ABOUT_ACCESS = 2, ABOUT_FREE = 4, ABOUT_OVERLAP = 8, ABOUT_SIZE = 16, ABOUT_OUTPUT = 32 };

struct rule {
    struct model_rule told; /* first: what the model and the renderers see of it */
    char *name, *file;      /* owned; told points to them */
    unsigned subjects;      /* enum subject; 0: of another tool, fits nothing */
    unsigned leak_kinds;    /* bit per enum leak_kind */
    char *template;         /* LeakSanitizer's: with `*`, fits any frame; NULL: patterns */
    struct pattern *patterns;
    size_t n_patterns;
};

struct suppressions {
    struct rule **rules;    /* in the order of the files */
    size_t n_rules;
};

/* The subject of a finding's kind. */
unsigned suppression_subject(enum record_kind kind);

/* The stack that a finding is suppressed by: its own or, where a sweep found it and nobody stood anywhere, its block's allocation. */
const struct stack *suppression_stack(const struct model_error *error);

/* The frame that Valgrind has in front of a stack and midden has not: strdup's malloc, the checked call that a finding was made in. NULL:
 * none. */
const char *suppression_front(const struct stack *stack, const char *call_name);

#endif
