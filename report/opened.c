/* Opening images for the commands, and the streams that their output goes to. */
#include "opened.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "outputs.h"
#include "page.h"
#include "say.h"

bool opened_open(struct opened *opened, const struct arguments *arguments, struct symbols *symbols, const char *name)
{
    struct error error = {""};
    const struct argument_list *debug = &arguments->lists[ARGUMENT_DEBUG_DIR];
    struct image_places places = {arguments->text[ARGUMENT_SYSROOT], debug->items, debug->n, false};
    memset(opened, 0, sizeof *opened);
    opened->name = name;
    opened->symbols = symbols;
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

/* ---- where a command's output goes ---- */

bool sheet_begin(struct sheet *sheet, const struct arguments *arguments)
{
    memset(sheet, 0, sizeof *sheet);
    sheet->look = render_defaults;
    sheet->look.colour = page_wants_colour(arguments->meaning[ARGUMENT_COLOUR], STDOUT_FILENO);
    sheet->json_name = arguments->text[ARGUMENT_JSON];
    if (!arguments->given[ARGUMENT_JSON]) {
        sheet->text = stdout;
    } else if (!*sheet->json_name || strcmp(sheet->json_name, "-") == 0) {
        sheet->json_name = "";
        sheet->json = stdout;
    } else {
        int fd = output_open(sheet->json_name);
        sheet->text = stdout;
        sheet->json = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (!sheet->json)
            say("cannot write '%s': %s", sheet->json_name, strerror(errno));
        return sheet->json != NULL;
    }
    return true;
}

int sheet_end(struct sheet *sheet, int status)
{
    errno = 0;
    if (sheet->json && sheet->json != stdout) {
        bool bad = ferror(sheet->json);
        bad |= fclose(sheet->json) != 0;
        if (bad) {
            say("cannot write '%s': %s", sheet->json_name, strerror(errno));
            status = STATUS_FAILED;
        }
    }
    bool bad = fflush(stdout) != 0;
    bad |= ferror(stdout) != 0;
    if (bad && errno != EPIPE) {
        say("cannot write to standard output: %s", strerror(errno));
        status = STATUS_FAILED;
    }
    return status;
}
