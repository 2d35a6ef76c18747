/* Suppression rules between their reader and the matching. */
#ifndef MIDDEN_REPORT_SUPPRESSION_RULES_H
#define MIDDEN_REPORT_SUPPRESSION_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "suppressions.h"

enum pattern_kind { PATTERN_FUNCTION, PATTERN_OBJECT, PATTERN_SOURCE, PATTERN_ELLIPSIS };

struct pattern {
    enum pattern_kind kind;
    char *text;             /* for fnmatch; NULL for the ellipsis */
    char *demangled;        /* of a C++ function's name; NULL: none */
    unsigned line;          /* of PATTERN_SOURCE; 0: any */
};

/* What a rule is about. */
enum subject { ABOUT_LEAKS = 1, ABOUT_ACCESS = 2, ABOUT_FREE = 4, ABOUT_OVERLAP = 8, ABOUT_SIZE = 16, ABOUT_OUTPUT = 32 };

struct rule {
    unsigned subjects;      /* enum subject; 0: of another tool, fits nothing */
    unsigned leak_kinds;    /* bit per enum leak_kind */
    bool anywhere;          /* LeakSanitizer's: template[] fits any frame */
    char *template;         /* for fnmatch */
    struct pattern *patterns;
    size_t n_patterns;
    size_t hits;
};

struct suppressions {
    struct rule *rules;
    size_t n_rules;
};

#endif
