/* Options: from defaults, MIDDEN_OPTIONS and the command line to one struct.
 *
 * The rows of format/options.def drive everything here: getopt_long's table is built from them, every value is checked by
 * option_value(), and messages name what a row allows. What comes later wins; --suppressions and --baseline add up instead.
 *
 * getopt_long takes any unambiguous beginning of a name for the name. A script that used one would break when a later option
 * begins alike, so a shortened name is refused like a misspelt one. */
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

enum { OPT_HELP = 'h', OPT_VERSION = 'V', OPT_FIRST_ROW = 1000 };

static void put_default(struct settings *settings, enum option_id id)
{
    const char *fallback = option_rows[id].fallback;
    settings->text[id] = need(strdup(fallback));
    if (fallback[0] && !option_value(id, fallback, strlen(fallback), &settings->meaning[id]))
        die("the default of --%s is bad: '%s'", option_rows[id].name, fallback);
}

void settings_init(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (int id = 0; id < OPTIONS; id++)
        put_default(settings, (enum option_id)id);
}

/* The list that a repeatable option adds to; NULL: the option is not one. */
static char ***list_of(struct settings *settings, enum option_id id, size_t **n)
{
    switch (id) {
    case OPTION_SUPPRESSIONS:
        *n = &settings->n_suppressions;
        return &settings->suppressions;
    case OPTION_BASELINE:
        *n = &settings->n_baselines;
        return &settings->baselines;
    default:
        return NULL;
    }
}

void settings_free(struct settings *settings)
{
    for (int id = 0; id < OPTIONS; id++)
        free(settings->text[id]);
    for (int id = 0; id < OPTIONS; id++) {
        size_t *n;
        char ***list = list_of(settings, (enum option_id)id, &n);
        for (size_t i = 0; list && i < *n; i++)
            free((*list)[i]);
        if (list)
            free(*list);
    }
    memset(settings, 0, sizeof *settings);
}

/* "full, leaks or production" from "full|leaks|production". */
static void list_choices(FILE *out, const char *values)
{
    while (*values) {
        size_t n = strcspn(values, "|");
        fwrite(values, 1, n, out);
        values += n;
        if (!*values)
            return;
        values++;
        fputs(strchr(values, '|') ? ", " : " or ", out);
    }
}

static void list_size(FILE *out, uint64_t bytes)
{
    static const char units[] = "kmgt";
    int unit = -1;
    while (bytes && bytes % 1024 == 0 && unit < 3) {
        bytes /= 1024;
        unit++;
    }
    fprintf(out, "%llu", (unsigned long long)bytes);
    if (unit >= 0)
        fputc(units[unit], out);
}

void settings_complain(const struct option_row *row, const char *shown, const char *value)
{
    char *allowed = NULL;
    size_t n = 0;
    FILE *out = need(open_memstream(&allowed, &n));

    switch (row->type) {
    case OPTION_CHOICE:
        list_choices(out, row->values);
        break;
    case OPTION_SET:
        fputs("one or more of ", out);
        list_choices(out, row->values);
        fputs(", separated by commas", out);
        break;
    case OPTION_NUMBER:
        fprintf(out, "a number from %llu to %llu", (unsigned long long)row->minimum, (unsigned long long)row->maximum);
        break;
    case OPTION_SIZE:
        fputs("a size from ", out);
        list_size(out, row->minimum);
        fputs(" to ", out);
        list_size(out, row->maximum);
        fputs(" (as 4096, 64k, 16m, 1g)", out);
        break;
    case OPTION_DURATION:
        fprintf(out, "a time%s (as 500ms, 30s, 5m, 1h)", row->minimum ? " above 0" : "");
        break;
    case OPTION_FILE:
    case OPTION_FILES:
        fputs("the name of a file", out);
        break;
    case OPTION_TEXT:
        fputs("text", out);
        break;
    }
    fclose(out);
    say("%s: bad value '%s'; it takes %s", shown, value, allowed);
    free(allowed);
}

bool settings_set(struct settings *settings, enum option_id id, const char *shown, const char *value,
                  enum settings_strictness strictness)
{
    uint64_t meaning = 0;
    if (!option_value(id, value, strlen(value), &meaning)) {
        if (strictness == SETTINGS_STRICT)
            settings_complain(&option_rows[id], shown, value);
        return false;
    }
    free(settings->text[id]);
    settings->text[id] = need(strdup(value));
    settings->meaning[id] = meaning;
    settings->given[id] = true;
    size_t *n;
    char ***list = list_of(settings, id, &n);
    if (list) {
        *list = need(realloc(*list, (*n + 1) * sizeof **list));
        (*list)[(*n)++] = need(strdup(value));
    }
    return true;
}

void settings_overlay(struct settings *settings, const struct settings *over)
{
    for (int id = 0; id < OPTIONS; id++) {
        if (!over->given[id])
            continue;
        size_t *n;
        char *const *one = &over->text[id], *const *const *list = (char *const *const *)list_of((struct settings *)(uintptr_t)over, (enum option_id)id, &n);
        for (size_t i = 0; i < (list ? *n : 1); i++)
            settings_set(settings, (enum option_id)id, option_rows[id].name, (list ? *list : one)[i], SETTINGS_LENIENT);
    }
    if (over->valgrind)
        settings->valgrind = over->valgrind;
}

static void complain_unknown(const char *origin, const char *dashes, const char *name, size_t n)
{
    enum option_id near = option_nearest(name, n);
    if (near != OPTIONS)
        say("%s%s'%s%.*s'; did you mean '%s%s'?", origin ? origin : "", origin ? ": unknown option " : "unknown option ",
            dashes, (int)n, name, dashes, option_rows[near].name);
    else
        say("%s%s'%s%.*s'; 'midden help run' lists the options", origin ? origin : "",
            origin ? ": unknown option " : "unknown option ", dashes, (int)n, name);
}

bool settings_read(struct settings *settings, const char *origin, const char *text, enum settings_strictness strictness)
{
    struct option_span name, value;
    bool good = true;
    while (option_next(&text, &name, &value)) {
        enum option_id id = option_find(name.start, name.length);
        if (id == OPTIONS) {
            if (strictness == SETTINGS_STRICT)
                complain_unknown(origin, "", name.start, name.length);
            good = false;
            continue;
        }
        char *shown = NULL;
        char *copy = need(strndup(value.start, value.length));
        if (asprintf(&shown, "%s: %s", origin, option_rows[id].name) < 0)
            die("out of memory");
        good &= settings_set(settings, id, shown, copy, strictness);
        free(shown);
        free(copy);
    }
    return good;
}

/* The name in "--name=value": where it ends in text. */
static size_t name_length(const char *text)
{
    return strcspn(text, "=");
}

enum settings_stop settings_parse(struct settings *settings, int argc, char **argv, int *index)
{
    struct option rows[OPTIONS + 3];
    memset(rows, 0, sizeof rows);
    for (int id = 0; id < OPTIONS; id++)
        rows[id] = (struct option){option_rows[id].name, required_argument, NULL, OPT_FIRST_ROW + id};
    rows[OPTIONS] = (struct option){"help", no_argument, NULL, OPT_HELP};
    rows[OPTIONS + 1] = (struct option){"version", no_argument, NULL, OPT_VERSION};

    /* getopt_long starts behind argv[0]: hand it the words from *index on with one word before them. */
    int n = argc - *index + 1;
    char **words = argv + *index - 1;
    optind = 0;
    opterr = 0;
    for (;;) {
        int row = -1;
        int first = optind ? optind : 1;
        int got = getopt_long(n, words, "+:hV", rows, &row);
        const char *word = first < n ? words[first] : "";
        if (got == -1)
            break;
        if (row >= 0 && name_length(word + 2) != strlen(rows[row].name)) {
            say("unknown option '%.*s'; did you mean '--%s'?", (int)name_length(word), word, rows[row].name);
            return SETTINGS_BAD;
        }
        switch (got) {
        case OPT_HELP:
            return SETTINGS_HELP;
        case OPT_VERSION:
            return SETTINGS_VERSION;
        case ':':
            say("option '%s' needs a value", word);
            return SETTINGS_BAD;
        case '?':
            if (word[0] != '-' || word[1] != '-')
                say("unknown option '-%c'; 'midden help run' lists the options", optopt);
            else if (optopt)
                say("option '%.*s' takes no value", (int)name_length(word), word);
            else
                complain_unknown(NULL, "--", word + 2, name_length(word + 2));
            return SETTINGS_BAD;
        default: {
            char shown[64];
            enum option_id id = (enum option_id)(got - OPT_FIRST_ROW);
            snprintf(shown, sizeof shown, "--%s", option_rows[id].name);
            if (!settings_set(settings, id, shown, optarg, SETTINGS_STRICT))
                return SETTINGS_BAD;
        }
        }
    }
    *index += optind - 1;
    return SETTINGS_OPERAND;
}

char *settings_for_library(const struct settings *settings)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = need(open_memstream(&text, &n));
    for (int id = 0; id < OPTIONS; id++) {
        const struct option_row *row = &option_rows[id];
        if (!settings->given[id] || !(row->reader & OPTION_LIBRARY))
            continue;
        const char *value = settings->text[id];
        char quote = strchr(value, '\'') ? '"' : '\'';
        if (strchr(value, quote)) {
            say("--%s: a value with both kinds of quotes cannot be handed on: %s", row->name, value);
            fclose(out);
            free(text);
            return NULL;
        }
        bool plain = value[0] && !strpbrk(value, ":'\" ");
        if (plain)
            fprintf(out, "%s%s=%s", ftell(out) ? ":" : "", row->name, value);
        else
            fprintf(out, "%s%s=%c%s%c", ftell(out) ? ":" : "", row->name, quote, value, quote);
    }
    fclose(out);
    return text;
}
