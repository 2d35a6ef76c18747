/* The command line of a command that looks at an image: options by the rows of arguments.def, and operands. */
#ifndef MIDDEN_REPORT_ARGUMENTS_H
#define MIDDEN_REPORT_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "format/options.h"

enum argument_id {
#define P(id, name, type, fallback, values, minimum, maximum, commands, text) ARGUMENT_##id,
#define M(id, name, type, fallback, values, minimum, maximum, commands, text) ARGUMENT_##id,
#define R(id, option, fallback, commands) ARGUMENT_##id,
#include "arguments.def"
#undef P
#undef M
#undef R
    ARGUMENTS
};

struct argument_row {
    const struct option_row *row;
    const char *fallback;       /* the default here; row->fallback may be another */
    uint64_t commands;          /* a bit for each enum command_id */
    bool bare;                  /* the value may be missing */
};
extern const struct argument_row argument_rows[ARGUMENTS];

struct argument_list {
    const char **items;         /* as given; they point into argv */
    size_t n;
};

struct arguments {
    const char *text[ARGUMENTS];        /* the value as given, or the default; "" where a value is missing */
    uint64_t meaning[ARGUMENTS];        /* what option_value() made of it */
    bool given[ARGUMENTS];
    struct argument_list lists[ARGUMENTS];  /* every value of a repeatable one */
    const char **operands;
    size_t n_operands;
};

/* Reads argv[1…] of command `id`, options and operands in any order. most: operands at most (least and most are told in the message
 * when the number is wrong). Returns -1 to go on, or the exit status to end with: --help was shown, or wrong usage was said. */
int arguments_read(struct arguments *arguments, enum command_id id, int argc, char **argv, size_t least, size_t most);
void arguments_free(struct arguments *arguments);

#endif
