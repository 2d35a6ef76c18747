/* Opening images for the commands, and the streams that their output goes to. */
#include "opened.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loader_tls.h"
#include "outputs.h"
#include "page.h"
#include "progress.h"
#include "say.h"
#include "source.h"

struct image_places opened_places(const struct arguments *arguments)
{
    const struct argument_list *debug = &arguments->lists[ARGUMENT_DEBUG_DIR];
    return (struct image_places){arguments->text[ARGUMENT_SYSROOT], debug->items, debug->n, arguments->meaning[ARGUMENT_DEBUGINFOD] == 0};
}

bool opened_open(struct opened *opened, const struct arguments *arguments, struct symbols *symbols, const char *name)
{
    struct error error = {""};
    struct image_places places = opened_places(arguments);
    memset(opened, 0, sizeof *opened);
    opened->name = name;
    opened->symbols = symbols;
    if (symbols)
        symbols_look_in(symbols, &places);
    source_look_under(places.sysroot);
    opened->image = image_open(name, &places, &error);
    opened->records = opened->image ? records_open(opened->image, 0, &error) : NULL;
    if (opened->records)
        return true;
    say("'%s': %s", name, error.text);
    opened_close(opened);
    return false;
}

void opened_close(struct opened *opened)
{
    records_close(opened->records);
    image_close(opened->image);
    memset(opened, 0, sizeof *opened);
}

bool opened_is_live(const struct opened *opened)
{
    return opened->image->pid != 0;
}

void opened_title(const struct opened *opened, FILE *out)
{
    const struct records *records = opened->records;
    char when[64];
    time_t seconds = (time_t)(opened->image->time / 1000000000u);
    struct tm tm;
    if (opened_is_live(opened))
        fprintf(out, "pid %d", opened->image->pid);
    else
        render_escaped(opened->name, strlen(opened->name), out);
    if (records->command_bytes) {
        fputs(" (", out);
        render_escaped(records->command, strlen(records->command), out);
        if (!opened_is_live(opened))
            fprintf(out, ", pid %d", records->anchor.pid);
        fputc(')', out);
    }
    if (opened_is_live(opened))
        fputs(", at this moment", out);
    else if (opened->image->time && gmtime_r(&seconds, &tm) && strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm))
        fprintf(out, ", of %s", when);
}

struct checking {
    struct loader_tls loader;   /* first: see loader_tls_stack() */
    struct progress progress;
};

static void show_checking(void *ctx, uint64_t done, uint64_t all)
{
    struct checking *checking = ctx;
    progress_show(&checking->progress, done, all);
}

json_t *opened_json(const struct opened *opened)
{
    const struct records *records = opened->records;
    json_t *object = json_object(), *argv = json_array();
    for (size_t at = 0; at < records->command_bytes; at += strlen(records->command + at) + 1)
        json_array_append_new(argv, as_text(records->command + at));
    put_json(object, "name", as_text(opened->name));
    put_json(object, "live", json_boolean(opened_is_live(opened)));
    put_json(object, "pid", json_integer(records->anchor.pid));
    put_json(object, "argv", argv);
    put_json(object, "time", opened->image->time ? json_real((double)opened->image->time / 1e9) : NULL);
    return object;
}

struct paths *opened_paths(const struct opened *opened)
{
    struct error error = {""};
    struct checking checking = {.loader = {opened->records, opened->symbols}};
    struct leaks_options options = {.loader_tls = loader_tls_stack, .progress = show_checking, .ctx = &checking};
    progress_begin(&checking.progress, "looking for leaks");
    struct paths *paths = paths_open(opened->records, &options, &error);
    progress_end(&checking.progress);
    if (!paths)
        say("'%s': %s", opened->name, error.text);
    return paths;
}

void opened_problems(const struct opened *opened, const struct sheet *sheet)
{
    const struct records *records = opened->records;
    if (records->n_problems)
        fputs("not covered:\n", sheet->text);
    for (size_t i = 0; i < records->n_problems; i++) {
        fputs("  ", sheet->text);
        render_escaped(records->problems[i], strlen(records->problems[i]), sheet->text);
        fputc('\n', sheet->text);
    }
}

/* ---- where a command's output goes ---- */

/* Opens where one form of output goes. false: said. */
static bool form_begin(struct sheet *sheet, const struct arguments *arguments, enum argument_id id, FILE **out, const char **name)
{
    *name = arguments->text[id];
    if (!arguments->given[id])
        return true;
    if (!**name || strcmp(*name, "-") == 0) {
        *name = "";
        *out = stdout;
        sheet->text = NULL;
        return true;
    }
    int fd = output_open(*name);
    *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!*out)
        say("cannot write '%s': %s", *name, strerror(errno));
    return *out != NULL;
}

bool sheet_begin(struct sheet *sheet, const struct arguments *arguments)
{
    memset(sheet, 0, sizeof *sheet);
    sheet->look = render_defaults;
    sheet->look.colour = page_wants_colour(arguments->meaning[ARGUMENT_COLOUR], STDOUT_FILENO);
    sheet->text = stdout;
    return form_begin(sheet, arguments, ARGUMENT_JSON, &sheet->json, &sheet->json_name)
        && form_begin(sheet, arguments, ARGUMENT_CSV, &sheet->csv, &sheet->csv_name);
}

static bool form_end(FILE *out, const char *name)
{
    errno = 0;
    if (!out || out == stdout)
        return true;
    bool bad = ferror(out) != 0;
    bad |= fclose(out) != 0;
    if (bad)
        say("cannot write '%s': %s", name, strerror(errno));
    return !bad;
}

int sheet_end(struct sheet *sheet, int status)
{
    if (!form_end(sheet->json, sheet->json_name) || !form_end(sheet->csv, sheet->csv_name))
        status = STATUS_FAILED;
    errno = 0;
    bool bad = fflush(stdout) != 0;
    bad |= ferror(stdout) != 0;
    if (bad && errno != EPIPE) {
        say("cannot write to standard output: %s", strerror(errno));
        status = STATUS_FAILED;
    }
    return status;
}
