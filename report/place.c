/* Places and the pieces of text that go there.
 *
 * Text goes to standard error or to the log file. The program's is opened before it starts (run.c); others are opened when there
 * is something to write. On standard error every line of another process than the program begins with ==PID==. A report is made in
 * memory and written at once. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outputs.h"
#include "page.h"
#include "say.h"
#include "valgrind.h"

/* The name of a process's file for the current image; owned by the caller. A child's first file is FILE.PID whatever the number
 * of the image that has something to say first: between fork and exec it was an image, too. */
static char *file_name(const struct process *process, const char *file, unsigned written)
{
    if (output_each(file) || process->owner)
        return output_name(file, process->pid, process->image);
    return output_other_name(file, process->pid, written ? process->image : 1);
}

static int text_place(const struct settings *settings, struct process *process)
{
    const char *file = settings->text[OPTION_LOG_FILE];
    if (settings->valgrind && settings->valgrind->log >= 0)
        return settings->valgrind->log;     /* all processes share it, as each line says whose it is */
    if (!file[0])
        return STDERR_FILENO;
    if (process->log < 0) {
        char *name = file_name(process, file, process->logs++);
        process->log = output_open(name);
        if (process->log < 0) {
            say("cannot write '%s': %s; the report goes to standard error", name, strerror(errno));
            process->log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        }
        free(name);
    }
    return process->log;
}

void place_open_log(const struct settings *settings, struct process *process)
{
    text_place(settings, process);
}

/* Between ==, the pid, and in memcheck's form the time if it is wanted. */
static void put_prefix(struct text *text, const struct process *process)
{
    const struct valgrind_style *style = text->settings->valgrind;
    if (style && style->times) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        long ms = (now.tv_sec - style->begun.tv_sec) * 1000 + (now.tv_nsec - style->begun.tv_nsec) / 1000000;
        snprintf(text->prefix, sizeof text->prefix, "==%02ld:%02ld:%02ld:%02ld.%03ld %d== ", ms / 86400000, ms / 3600000 % 24,
                 ms / 60000 % 60, ms / 1000 % 60, ms % 1000, (int)process->pid);
    } else if (style || (!process->owner && text->place == STDERR_FILENO)) {
        snprintf(text->prefix, sizeof text->prefix, "==%d== ", (int)process->pid);
    }
}

void text_begin(struct text *text, const struct settings *settings, struct process *process)
{
    memset(text, 0, sizeof *text);
    text->settings = settings;
    text->place = text_place(settings, process);
    put_prefix(text, process);
    text->look = render_defaults;
    text->look.colour = page_wants_colour(settings->meaning[OPTION_COLOUR], text->place);
    text->look.list_errors = false;
    text->stream = need(open_memstream(&text->bytes, &text->n));
    if (settings->valgrind && !settings->valgrind->quiet && process->banner != process->image) {
        process->banner = process->image;
        render_valgrind_banner(NULL, process->command, settings->valgrind, text->stream);
    }
}

static void put_prefixes(struct text *text)
{
    char *bytes = NULL;
    size_t n = 0;
    FILE *stream = need(open_memstream(&bytes, &n));
    render_prefixed(text->bytes, text->prefix, stream);
    if (fclose(stream) == 0 && bytes) {
        free(text->bytes);
        text->bytes = bytes;
        text->n = n;
    }
}

void text_end(struct text *text, const char *what)
{
    bool whole = !ferror(text->stream);
    whole &= fclose(text->stream) == 0;
    if (!whole)
        say("out of memory for %s; it is cut short", what);
    if (text->bytes && text->prefix[0])
        put_prefixes(text);
    if (text->bytes && !output_write(text->place, text->bytes, text->n)) {
        int trouble = errno;
        const char *file = text->settings->text[OPTION_LOG_FILE];
        say("cannot write %s to '%s': %s", what, file[0] ? file : "standard error", strerror(trouble));
    }
    free(text->bytes);
}

/* A descriptor that was open already, for all processes. */
static int shared_place(const struct settings *settings, enum format_id id)
{
    return id == FORMAT_valgrind_xml && settings->valgrind ? settings->valgrind->xml : -1;
}

const char *place_file(const struct settings *settings, enum format_id id)
{
    return formats[id].option == OPTIONS ? "" : settings->text[formats[id].option];
}

bool place_has_file(const struct settings *settings, enum format_id id)
{
    return place_file(settings, id)[0] || shared_place(settings, id) >= 0;
}

/* Renders a report in one of the forms to fd, which is closed unless it is shared with others. name: in messages. */
static void write_form(const struct settings *settings, const struct model *model, enum format_id id, int fd, bool shared, const char *name)
{
    struct render_options look = render_defaults;
    struct valgrind_style plain = valgrind_style_default;
    plain.file = place_file(settings, id);
    look.valgrind = settings->valgrind ? settings->valgrind : &plain;
    char *bytes = NULL;
    size_t n = 0;
    FILE *stream = need(open_memstream(&bytes, &n));
    bool good = fd >= 0 && formats[id].render(model, &look, stream);
    good &= fclose(stream) == 0;
    good = good && output_write(fd, bytes, n);
    if (!good)
        say("cannot write '%s': %s", name, strerror(errno));
    if (fd >= 0 && !shared && close(fd) != 0 && good)
        say("cannot write '%s': %s", name, strerror(errno));
    free(bytes);
}

void place_write_file(const struct settings *settings, struct process *process, const struct model *model, enum format_id id)
{
    int fd = process->files[id];    /* the program's was opened before it started */
    bool shared = shared_place(settings, id) >= 0;
    char *name = file_name(process, place_file(settings, id), process->written[id]++);
    if (shared)
        fd = shared_place(settings, id);
    else if (fd < 0)
        fd = output_open(name);
    process->files[id] = -1;
    write_form(settings, model, id, fd, shared, name);
    free(name);
}

void place_write_snapshot(const struct settings *settings, const struct process *process, const struct model *model, enum format_id id)
{
    if (shared_place(settings, id) >= 0)
        return;
    char *base = file_name(process, place_file(settings, id), process->image > 1);
    char *name = output_numbered(base, model->snapshot.sequence);
    write_form(settings, model, id, output_open(name), false, name);
    free(name);
    free(base);
}
