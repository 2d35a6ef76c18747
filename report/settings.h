/* The options as one command understood them: defaults, MIDDEN_OPTIONS and the command line laid over each other. */
#ifndef MIDDEN_REPORT_SETTINGS_H
#define MIDDEN_REPORT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/options.h"

struct valgrind_style;

struct settings {
    char *text[OPTIONS];        /* the value as it was given, or the default; owned. FILES: the last one given */
    uint64_t meaning[OPTIONS];  /* what option_value() made of it */
    bool given[OPTIONS];        /* not the default */
    char **suppressions;        /* every --suppressions in the order given; owned */
    size_t n_suppressions;
    const struct valgrind_style *valgrind;  /* reports are made in memcheck's forms, this way; NULL: in midden's own. Not owned */
    char **baselines;           /* every --baseline, likewise */
    size_t n_baselines;
};

/* Bits of meaning[OPTION_SHOW_LEAK_KINDS] and, shifted by SETTINGS_FAIL_LEAKS, of meaning[OPTION_FAIL_ON]. The order is that of
 * the choices in options.def. */
enum settings_leak_kind { SETTINGS_DEFINITE = 1, SETTINGS_INDIRECT = 2, SETTINGS_POSSIBLE = 4, SETTINGS_REACHABLE = 8 };
enum { SETTINGS_FAIL_ERRORS = 1, SETTINGS_FAIL_LEAKS = 1 };

/* What --profile means. */
enum settings_profile { SETTINGS_PROFILE_FULL, SETTINGS_PROFILE_LEAKS, SETTINGS_PROFILE_PARANOID, SETTINGS_PROFILE_PRODUCTION };

/* What --leak-check means. */
enum settings_leak_check { SETTINGS_LEAKS_FULL, SETTINGS_LEAKS_SUMMARY, SETTINGS_LEAKS_NO };

enum settings_strictness {
    SETTINGS_STRICT,    /* an unknown name or a bad value is an error, named on standard error */
    SETTINGS_LENIENT    /* it is passed over without a word: whoever handed the text on has complained already */
};

/* Every option at its default. Never fails (it ends the process where no memory is left). */
void settings_init(struct settings *settings);
void settings_free(struct settings *settings);

/* Sets one option. shown: how the user spelt it, for messages ("--profile", "MIDDEN_OPTIONS: profile").
 * false: the value is bad; under SETTINGS_STRICT that was said. */
bool settings_set(struct settings *settings, enum option_id id, const char *shown, const char *value,
                  enum settings_strictness strictness);

/* The line about a bad value of an option: what it takes. */
void settings_complain(const struct option_row *row, const char *shown, const char *value);

/* Lays the options given in `over` over those of `settings`; suppressions and baselines add up. */
void settings_overlay(struct settings *settings, const struct settings *over);

/* Sets what "name=value:name='value'" says. origin: where the text is from, for messages. false: as settings_set. */
bool settings_read(struct settings *settings, const char *origin, const char *text, enum settings_strictness strictness);

/* What settings_parse met first that it does not handle itself. */
enum settings_stop {
    SETTINGS_OPERAND,   /* argv[*index] is no option: a command or PROGRAM (or *index is argc) */
    SETTINGS_HELP,      /* --help or -h */
    SETTINGS_VERSION,   /* --version or -V */
    SETTINGS_BAD        /* wrong usage; said on standard error */
};

/* Reads options from argv[*index] on, up to the first operand or past "--". */
enum settings_stop settings_parse(struct settings *settings, int argc, char **argv, int *index);

/* The given options that the library reads, as a value of MIDDEN_OPTIONS; owned by the caller. NULL: a value holds both kinds of
 * quotes and cannot be written; said on standard error. */
char *settings_for_library(const struct settings *settings);

#endif
