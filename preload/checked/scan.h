/* Formats of scanf: where their conversions store, and how much. */
#ifndef MIDDEN_PRELOAD_CHECKED_SCAN_H
#define MIDDEN_PRELOAD_CHECKED_SCAN_H

#include "format.h"

#define SCAN_MOST 48

enum scan_kind {
    SCAN_FIXED,         /* `bytes` bytes */
    SCAN_COUNT,         /* %n: the same, but not counted in the result */
    SCAN_TEXT,          /* up to `width` characters and a NUL; width SIZE_MAX: no bound */
    SCAN_CHARACTERS     /* exactly `width` characters, no NUL, unless the input ends */
};

struct scan_target {
    enum scan_kind kind;
    unsigned position;  /* of the argument, from 1 */
    size_t bytes;       /* SCAN_FIXED, SCAN_COUNT: all of them; else of one character at most */
    size_t width;
    bool wide;          /* the characters are wchar_t */
};

struct scan_plan {
    unsigned arguments;                 /* pointers in the list of arguments */
    unsigned targets;
    struct scan_target target[SCAN_MOST];
};

/* gnu_a: %as, %aS and %a[ mean what %ms, %mS and %m[ do. false: more than SCAN_MOST arguments, or a conversion that is not known. */
bool scan_read(const struct format_text *format, bool gnu_a, struct scan_plan *plan);

#endif
