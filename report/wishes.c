/* LeakSanitizer's options, as far as they mean something here:
 *
 *   exitcode=N              --error-exitcode=N, for this program; 0: its leaks do not gate, its errors do
 *   detect_leaks=0          --leak-check=no
 *   leak_check_at_exit=0    none at the end; those on demand are made
 *   max_leaks=N             list the N largest
 *   report_objects=1        nothing to do: reports name an example, and midden why and blocks the rest
 *   suppressions=FILE       as --suppressions, in addition; read once
 *
 * Every other name is passed over, as LeakSanitizer does with what it does not know: what is scanned and how stacks are taken is
 * not for the program to say. The text is the program's __lsan_default_options and, later and stronger, LSAN_OPTIONS of its
 * environment: name=value, separated by any of blank, comma, colon and line end; values may be quoted.
 *
 * What the user gave midden on its command line or in MIDDEN_OPTIONS is stronger than all of these. */
#include "wishes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/options.h"
#include "memory.h"

#define FAIL_ON_ERRORS 1u       /* the first choice of --fail-on */

struct wishes {
    char exitcode[16], detect_leaks[16], at_exit[16], max_leaks[16];
    char suppressions[4096];
};

static bool ends_name(char c) { return !c || strchr(" ,:\n\t\r", c); }

/* The next name=value of *text. false: no more. */
static bool next(const char **text, const char **name, size_t *name_bytes, const char **value, size_t *value_bytes)
{
    for (;;) {
        while (**text && ends_name(**text))
            (*text)++;
        if (!**text)
            return false;
        *name = *text;
        while (!ends_name(**text) && **text != '=')
            (*text)++;
        *name_bytes = (size_t)(*text - *name);
        if (**text != '=')
            continue;       /* a word alone */
        (*text)++;
        char quote = **text == '"' || **text == '\'' ? *(*text)++ : 0;
        *value = *text;
        while (**text && (quote ? **text != quote : !ends_name(**text)))
            (*text)++;
        *value_bytes = (size_t)(*text - *value);
        *text += quote && **text;
        return true;
    }
}

static void read_wishes(struct records *records, struct wishes *wishes)
{
    const struct { const char *name; char *room; size_t bytes; } known[] = {
        {"exitcode", wishes->exitcode, sizeof wishes->exitcode},
        {"detect_leaks", wishes->detect_leaks, sizeof wishes->detect_leaks},
        {"leak_check_at_exit", wishes->at_exit, sizeof wishes->at_exit},
        {"max_leaks", wishes->max_leaks, sizeof wishes->max_leaks},
        {"suppressions", wishes->suppressions, sizeof wishes->suppressions},
    };
    const char *text = records_text(records, records->anchor.program_options), *name, *value;
    size_t name_bytes, value_bytes;
    memset(wishes, 0, sizeof *wishes);
    while (next(&text, &name, &name_bytes, &value, &value_bytes))
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strlen(known[i].name) == name_bytes && memcmp(known[i].name, name, name_bytes) == 0)
                snprintf(known[i].room, known[i].bytes, "%.*s", (int)value_bytes, value);
}

static bool is_no(const char *value)
{
    return strcmp(value, "0") == 0 || strcmp(value, "no") == 0 || strcmp(value, "false") == 0;
}

/* Rules by their text, each read once: many findings ask for the same. They live as long as the agent, for models point to them. */
static struct suppressions *known(const char *name, const char *text)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct { char *text; struct suppressions *rules; } *list;
    static size_t n;
    struct suppressions *found = NULL;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < n && !found; i++)
        if (strcmp(list[i].text, text) == 0)
            found = list[i].rules;
    if (!found) {
        size_t bytes = strlen(text) + 1;
        list = memory_resize(list, n + 1, sizeof *list);
        list[n].text = memcpy(memory_new(bytes, 1), text, bytes);
        found = list[n++].rules = suppressions_of_text(name, text);
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

/* Default suppressions and the file's; NULL: none. */
static struct suppressions *own_suppressions(struct records *records, const struct wishes *wishes)
{
    const char *rules = records_text(records, records->anchor.program_suppressions);
    char *text = NULL;
    size_t n = 0;
    FILE *out = *rules || wishes->suppressions[0] ? open_memstream(&text, &n) : NULL;
    if (out) {
        fprintf(out, "%s\n", rules);
        FILE *in = wishes->suppressions[0] ? fopen(wishes->suppressions, "re") : NULL;
        for (int c; in && (c = getc(in)) != EOF;)
            putc(c, out);
        if (in)
            fclose(in);
        else if (wishes->suppressions[0])
            records_problem(records, "the suppressions that the program's LSan options name cannot be read: %s", wishes->suppressions);
        fclose(out);
    }
    struct suppressions *own = text ? known(*rules ? "__lsan_default_suppressions" : wishes->suppressions, text) : NULL;
    free(text);
    return own;
}

struct suppressions *wishes_apply(struct records *records, const bool *given, struct model_options *options)
{
    enum { NO = 2 };
    struct wishes wishes;
    uint32_t wants = records->anchor.program_wants;
    bool end = !options->live;
    read_wishes(records, &wishes);
    struct suppressions *own = own_suppressions(records, &wishes);
    if (wishes.exitcode[0] && !(given && given[OPTION_ERROR_EXITCODE])) {
        int status = (int)(strtoul(wishes.exitcode, NULL, 10) & 255);
        if (status)
            options->error_exitcode = status;
        else
            options->fail_on &= FAIL_ON_ERRORS;
    }
    options->max_listed = strtoul(wishes.max_leaks, NULL, 10);
    if (options->leak_check == NO || (given && given[OPTION_LEAK_CHECK]))
        return own;
    const char *why = NULL;
    if (is_no(wishes.detect_leaks))
        why = "the program's LSan options say detect_leaks=0";
    else if (end && is_no(wishes.at_exit))
        why = "the program's LSan options say leak_check_at_exit=0";
    else if (end && wants & RECORD_WISH_CHECKED)
        why = "the program made its final leak check before (__lsan_do_leak_check)";
    else if (end && wants & RECORD_WISH_OFF)
        why = "the program's __lsan_is_turned_off says so";
    if (why) {
        options->leak_check = NO;
        options->no_leaks_why = why;
    }
    return own;
}

void wishes_list(struct model *model)
{
    size_t listed = 0, most = model->options.max_listed;
    for (size_t i = 0; most && i < model->n_leak_records; i++)
        if (model->leak_records[i].listed && !model->leak_records[i].suppressed && ++listed > most)
            model->leak_records[i].listed = false;
}
