/* Reading the command line of the commands that look at an image.
 *
 * getopt_long's table is made of the rows that belong to the command. A shortened name is refused like a misspelt one (a later
 * option may begin alike), with the nearest name for a hint; every value is checked by its row before anything is opened. */
#include "arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "say.h"
#include "settings.h"

enum { FIRST_ROW = 1000 };

static bool set(struct arguments *arguments, int id, const char *value, bool given)
{
    const struct option_row *row = argument_rows[id].row;
    uint64_t meaning = 0;
    if (!(argument_rows[id].bare && !*value) && !(!given && !*value) && !option_row_value(row, value, strlen(value), &meaning)) {
        char shown[64];
        snprintf(shown, sizeof shown, "--%s", row->name);
        settings_complain(row, shown, value);
        return false;
    }
    arguments->text[id] = value;
    arguments->meaning[id] = meaning;
    arguments->given[id] = given;
    if (given && row->type == OPTION_FILES) {
        struct argument_list *list = &arguments->lists[id];
        list->items = memory_resize(list->items, list->n + 1, sizeof *list->items);
        list->items[list->n++] = value;
    }
    return true;
}

static void complain_unknown(const struct option *rows, const char *command, const char *word)
{
    size_t n = strcspn(word, "="), best = 0;
    unsigned least = n > 6 ? 4 : 3;
    for (size_t i = 0; rows[i].name; i++) {
        unsigned distance = option_distance(word, n, rows[i].name, strlen(rows[i].name));
        if (distance < least || (n >= 3 && strncmp(word, rows[i].name, n) == 0 && least > 1)) {
            least = distance < least ? distance : 1;
            best = i + 1;
        }
    }
    if (best)
        say("%s: unknown option '--%.*s'; did you mean '--%s'?", command, (int)n, word, rows[best - 1].name);
    else
        say("%s: unknown option '--%.*s'; 'midden help %s' lists the options", command, (int)n, word, command);
}

/* One result of getopt_long that is no option of ours. */
static void complain(const struct option *rows, const char *command, int got, const char *word)
{
    size_t n = strncmp(word, "--", 2) == 0 ? strcspn(word, "=") : 2;
    if (got == ':')
        say("%s: option '%s' needs a value", command, word);
    else if (strncmp(word, "--", 2) != 0)
        say("%s: unknown option '-%c'; 'midden help %s' lists the options", command, optopt, command);
    else if (optopt)
        say("%s: option '%.*s' takes no value", command, (int)n, word);
    else
        complain_unknown(rows, command, word + 2);
}

static bool goes_to_stdout(const struct arguments *arguments, enum argument_id id)
{
    return arguments->given[id] && (!*arguments->text[id] || strcmp(arguments->text[id], "-") == 0);
}

int arguments_read(struct arguments *arguments, enum command_id id, int argc, char **argv, size_t least, size_t most)
{
    const char *command = commands[id].name;
    struct option rows[ARGUMENTS + 2];
    size_t n_rows = 0;
    memset(rows, 0, sizeof rows);
    memset(arguments, 0, sizeof *arguments);
    for (int i = 0; i < ARGUMENTS; i++) {
        if (!(argument_rows[i].commands >> id & 1))
            continue;
        rows[n_rows++] = (struct option){argument_rows[i].row->name, argument_rows[i].bare ? optional_argument : required_argument,
                                         NULL, FIRST_ROW + i};
        if (!set(arguments, i, argument_rows[i].fallback, false))
            die("the default of --%s is bad", argument_rows[i].row->name);
    }
    rows[n_rows] = (struct option){"help", no_argument, NULL, 'h'};

    optind = 0;
    opterr = 0;
    for (;;) {
        int row = -1, got = getopt_long(argc, argv, argument_rows[ARGUMENT_OUTPUT].commands >> id & 1 ? ":ho:" : ":h", rows, &row);
        if (got == -1)
            break;
        if (got == 'o')
            got = FIRST_ROW + ARGUMENT_OUTPUT;
        /* Behind an option with its value in a word of its own, optind is two further on. */
        const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (row >= 0 && word == optarg && optind >= 2)
            word = argv[optind - 2];
        if (row >= 0 && strncmp(word, "--", 2) == 0 && strcspn(word + 2, "=") != strlen(rows[row].name)) {
            say("%s: unknown option '%.*s'; did you mean '--%s'?", command, (int)strcspn(word, "="), word, rows[row].name);
            return STATUS_USAGE;
        }
        if (got == 'h') {
            help_show(id);
            return STATUS_DONE;
        }
        if (got < FIRST_ROW) {
            complain(rows, command, got, word);
            return STATUS_USAGE;
        }
        if (!set(arguments, got - FIRST_ROW, optarg ? optarg : "", true))
            return STATUS_USAGE;
    }
    if (goes_to_stdout(arguments, ARGUMENT_JSON) && goes_to_stdout(arguments, ARGUMENT_CSV)) {
        say("%s: --json and --csv cannot both go to standard output: one of them takes a FILE", command);
        return STATUS_USAGE;
    }
    arguments->operands = (const char **)(argv + optind);
    arguments->n_operands = (size_t)(argc - optind);
    if (arguments->n_operands < least)
        say("%s: something is missing: midden %s %s", command, command, commands[id].arguments);
    else if (arguments->n_operands > most)
        say("%s: too many words, from '%s' on: midden %s %s", command, arguments->operands[most], command, commands[id].arguments);
    else
        return -1;
    return STATUS_USAGE;
}

void arguments_free(struct arguments *arguments)
{
    for (int i = 0; i < ARGUMENTS; i++)
        free(arguments->lists[i].items);
}
