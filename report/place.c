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

void text_begin(struct text *text, const struct settings *settings, struct process *process)
{
    memset(text, 0, sizeof *text);
    text->settings = settings;
    text->place = text_place(settings, process);
    text->prefix = !process->owner && text->place == STDERR_FILENO ? (int)process->pid : 0;
    text->look = render_defaults;
    text->look.colour = page_wants_colour(settings->meaning[OPTION_COLOUR], text->place);
    text->look.list_errors = false;
    text->stream = need(open_memstream(&text->bytes, &text->n));
}

/* Puts ==PID== in front of every line. */
static void put_prefix(struct text *text)
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
    if (text->bytes && text->prefix)
        put_prefix(text);
    if (text->bytes && !output_write(text->place, text->bytes, text->n)) {
        int trouble = errno;
        const char *file = text->settings->text[OPTION_LOG_FILE];
        say("cannot write %s to '%s': %s", what, file[0] ? file : "standard error", strerror(trouble));
    }
    free(text->bytes);
}

void place_write_json(const struct settings *settings, struct process *process, const struct model *model)
{
    const char *file = settings->text[OPTION_JSON];
    int fd = process->json;     /* the program's was opened before it started */
    char *name = file_name(process, file, process->jsons++);
    if (fd < 0)
        fd = output_open(name);
    process->json = -1;
    char *bytes = NULL;
    size_t n = 0;
    FILE *stream = need(open_memstream(&bytes, &n));
    bool good = fd >= 0 && render_json(model, stream);
    good &= fclose(stream) == 0;
    good = good && output_write(fd, bytes, n);
    if (!good)
        say("cannot write '%s': %s", name, strerror(errno));
    if (fd >= 0 && close(fd) != 0 && good)
        say("cannot write '%s': %s", name, strerror(errno));
    free(bytes);
    free(name);
}
