/* Who gets which report, and where it goes.
 *
 *   finding     shown at once, as text; its model is kept until a whole one replaces it
 *   exec, end   the whole image is analysed: text, JSON. What was shown already is only counted
 *   check       a leak check on the program's own demand: text
 *
 * The program's JSON waits until its exit status is known. Other processes write theirs when they end, and only if they have
 * something to say (with %p in the name: always). A process that is killed cannot be read any more; then its report is made of the
 * findings that were shown.
 *
 * Memory: an image is closed as soon as its model is made (models do not read from it), so that no descriptor is held per
 * finding. */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "image.h"
#include "memory.h"
#include "outputs.h"
#include "render.h"
#include "say.h"
#include "suppressions.h"

void delivery_init(struct delivery *delivery, const struct settings *settings, struct suppressions *suppressions, bool under_run)
{
    memset(delivery, 0, sizeof *delivery);
    delivery->settings = settings;
    delivery->suppressions = suppressions;
    delivery->under_run = under_run;
    delivery->symbols = symbols_open();
    delivery->log = delivery->json = -1;
    delivery->options.leak_check = (unsigned)settings->meaning[OPTION_LEAK_CHECK];
    delivery->options.show_leak_kinds = settings->meaning[OPTION_SHOW_LEAK_KINDS];
    delivery->options.fail_on = settings->meaning[OPTION_FAIL_ON];
    delivery->options.error_exitcode = (int)settings->meaning[OPTION_ERROR_EXITCODE];
}

/* ---- progress ----------------------------------------------------------------------------------------------------------- */

struct progress {
    struct timespec begun;
    int percent;                /* shown last; -1: nothing yet */
};

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* A line that is written over, on a terminal, for work that takes more than half a second. */
static void show_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct progress *progress = ctx;
    int percent = all ? (int)((double)done / (double)all * 100) : 0;
    if (percent == progress->percent || seconds_since(&progress->begun) < 0.5)
        return;
    progress->percent = percent;
    dprintf(STDERR_FILENO, "\rmidden: looking for leaks … %d %%", percent);
}

static void end_progress(const struct progress *progress)
{
    if (progress->percent >= 0)
        dprintf(STDERR_FILENO, "\r\033[K");
}

/* ---- analysis ------------------------------------------------------------------------------------------------------------ */

/* Reads an image and makes a model of one finding (index not 0) or of everything. Takes the descriptors over. NULL: said why. */
static struct analysis *analyse(struct delivery *delivery, const struct process *process, struct wire_message *message,
                                size_t index, bool live, unsigned leak_check)
{
    struct error error = {""};
    struct image *image = NULL;
    if (message->mem_fd < 0 || message->maps_fd < 0) {
        error_set(&error, "it sent no descriptors of its memory");
        if (message->mem_fd >= 0)
            close(message->mem_fd);
    } else {
        image = image_open_fds(process->pid, message->mem_fd, message->maps_fd, &error);
    }
    message->mem_fd = message->maps_fd = -1;
    struct records *records = image ? records_open(image, message->request.anchor, &error) : NULL;
    if (!records) {
        say("process %d (%s) cannot be read: %s; its report is lost", (int)process->pid, process->command, error.text);
        image_close(image);
        return NULL;
    }

    struct model_options options = delivery->options;
    struct progress progress = {.percent = -1};
    clock_gettime(CLOCK_MONOTONIC, &progress.begun);
    options.live = live;
    options.leak_check = leak_check;
    if (isatty(STDERR_FILENO)) {
        options.progress = show_progress;
        options.ctx = &progress;
    }
    struct model *model = index ? model_new_finding(records, delivery->symbols, index, &options)
                                : model_new(records, delivery->symbols, &options);
    end_progress(&progress);
    image_close(image);
    records->image = NULL;
    if (!model) {
        say("process %d (%s): finding %zu cannot be read; it is lost", (int)process->pid, process->command, index);
        records_close(records);
        return NULL;
    }
    model->options.progress = NULL;
    model->pid = process->pid;
    model->image = process->image;
    if (delivery->suppressions)
        suppressions_apply(delivery->suppressions, model);
    model_judge(model);

    struct analysis *analysis = memory_new(1, sizeof *analysis);
    analysis->records = records;
    analysis->model = model;
    return analysis;
}

/* Is there anything in it that a user wants to be told unasked? */
static bool has_something_to_say(const struct delivery *delivery, const struct model *model)
{
    if (model->gating || model->n_errors > model->n_suppressed_errors)
        return true;
    for (size_t i = 0; i < model->n_leak_records; i++)
        if (!model->leak_records[i].suppressed
            && (delivery->options.show_leak_kinds & 1ull << model->leak_records[i].raw.kind))
            return true;
    return false;
}

/* A model of nothing, for a process that could not be read. */
static struct analysis *analyse_nothing(const struct delivery *delivery, const struct process *process)
{
    struct analysis *analysis = memory_new(1, sizeof *analysis);
    struct model *model = memory_new(1, sizeof *model);
    analysis->records = memory_new(1, sizeof *analysis->records);
    analysis->model = model;
    model->records = analysis->records;
    model->options = delivery->options;
    model->pid = process->pid;
    model->image = process->image;
    model->no_leaks_why = "the process ended without a last word to the agent";
    size_t n = 0;
    while (process->program && delivery->argv && delivery->argv[n])
        n++;
    model->argv = arena_new(&model->arena, (n + 1) * sizeof *model->argv);
    for (size_t i = 0; i < n; i++)
        model->argv[i] = delivery->argv[i];
    model->argc = n;
    return analysis;
}

/* Puts the errors of a list of models in front of a model's own. */
static void prepend_errors(struct model *model, const struct analysis *list)
{
    size_t more = 0;
    for (const struct analysis *at = list; at; at = at->next)
        more += at->model->n_errors;
    if (!more)
        return;
    struct model_error *all = arena_new(&model->arena, (more + model->n_errors) * sizeof *all);
    size_t n = 0;
    for (const struct analysis *at = list; at; at = at->next) {
        for (size_t i = 0; i < at->model->n_errors; i++)
            all[n++] = at->model->errors[i];
        model->n_suppressed_errors += at->model->n_suppressed_errors;
    }
    for (size_t i = 0; i < model->n_errors; i++)
        all[n++] = model->errors[i];
    model->errors = all;
    model->n_errors = n;
    model_judge(model);
}

/* ---- places -------------------------------------------------------------------------------------------------------------- */

/* The name of a process's file for the current image; owned by the caller. */
static char *file_name(const struct process *process, const char *file)
{
    if (output_each(file) || process->owner)
        return output_name(file, process->pid, process->image);
    return output_other_name(file, process->pid, process->image);
}

/* Where its text goes now: a descriptor that is not the caller's. */
static int text_place(struct delivery *delivery, struct process *process)
{
    const char *file = delivery->settings->text[OPTION_LOG_FILE];
    if (!file[0])
        return STDERR_FILENO;
    if (process->log < 0) {
        char *name = file_name(process, file);
        process->log = output_open(name);
        if (process->log < 0) {
            say("cannot write '%s': %s; the report goes to standard error", name, strerror(errno));
            process->log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        }
        free(name);
    }
    return process->log;
}

static bool wants_colour(const struct delivery *delivery, int place)
{
    enum { COLOUR_AUTO, COLOUR_ALWAYS };
    uint64_t colour = delivery->settings->meaning[OPTION_COLOUR];
    const char *terminal = getenv("TERM"), *never = getenv("NO_COLOR");
    if (colour != COLOUR_AUTO)
        return colour == COLOUR_ALWAYS;
    return isatty(place) && !(never && never[0]) && !(terminal && strcmp(terminal, "dumb") == 0);
}

struct text {
    char *bytes;
    size_t n;
    FILE *stream;
};

static void text_begin(struct text *text)
{
    text->bytes = NULL;
    text->n = 0;
    text->stream = need(open_memstream(&text->bytes, &text->n));
}

/* Writes the text in one piece. */
static void text_end(struct text *text, int place, const char *what)
{
    bool whole = !ferror(text->stream);
    whole &= fclose(text->stream) == 0;
    if (!whole)
        say("out of memory for %s; it is cut short", what);
    if (text->bytes && !output_write(place, text->bytes, text->n))
        say("cannot write %s: %s", what, strerror(errno));
    free(text->bytes);
}

static struct render_options render_as(const struct delivery *delivery, const struct process *process, int place)
{
    struct render_options options = render_defaults;
    options.colour = wants_colour(delivery, place);
    options.list_errors = false;
    options.prefix_pid = !process->owner && place == STDERR_FILENO;
    return options;
}

static void write_json(const struct delivery *delivery, struct process *process, const struct model *model)
{
    const char *file = delivery->settings->text[OPTION_JSON];
    int fd = process->json;     /* the program's was opened before it started */
    char *name = file_name(process, file);
    if (fd < 0)
        fd = output_open(name);
    process->json = -1;
    struct text text;
    text_begin(&text);
    bool good = fd >= 0 && render_json(model, text.stream);
    good &= fclose(text.stream) == 0;
    good = good && output_write(fd, text.bytes, text.n);
    if (!good)
        say("cannot write '%s': %s", name, strerror(errno));
    if (fd >= 0 && close(fd) != 0 && good)
        say("cannot write '%s': %s", name, strerror(errno));
    free(text.bytes);
    free(name);
}

/* ---- images ---------------------------------------------------------------------------------------------------------------- */

static bool was_shown(const struct process *process, size_t index)
{
    for (const struct analysis *at = process->shown; at; at = at->next)
        for (size_t i = 0; i < at->model->n_errors; i++)
            if (at->model->errors[i].index == index)
                return true;
    return false;
}

static void show_errors(struct delivery *delivery, struct process *process, const struct model *model)
{
    struct text text;
    text_begin(&text);
    int place = -1;
    for (size_t i = 0; i < model->n_errors; i++) {
        if (model->errors[i].suppressed || was_shown(process, model->errors[i].index))
            continue;
        if (place < 0)
            place = text_place(delivery, process);
        struct render_options options = render_as(delivery, process, place);
        render_text_error(model, &model->errors[i], &options, text.stream);
    }
    text_end(&text, place, "a finding");
}

static void show_whole(struct delivery *delivery, struct process *process, const struct model *model)
{
    int place = text_place(delivery, process);
    struct render_options options = render_as(delivery, process, place);
    struct text text;
    text_begin(&text);
    render_text(model, &options, text.stream);
    text_end(&text, place, "the report");
}

static void note_gating(struct delivery *delivery, struct process *process, bool gating)
{
    enum { FOLLOW_YES, FOLLOW_NO };
    if (!gating)
        return;
    process->gating = true;
    if (process->program || delivery->settings->meaning[OPTION_FOLLOW_CHILDREN] == FOLLOW_YES)
        delivery->tree.gating = true;
}

/* The model of the current image as far as it was told; owned by the process. */
static struct model *image_model(struct delivery *delivery, struct process *process)
{
    if (!process->whole) {
        process->whole = analyse_nothing(delivery, process);
        prepend_errors(process->whole->model, process->shown);
    }
    return process->whole->model;
}

static void set_exit(struct model *model, const struct process *process, int *wait_status)
{
    int status;
    if (wait_status)
        status = *wait_status;
    else if (!process_exit(process, &status))
        return;
    model->exit = WIFSIGNALED(status) ? MODEL_EXIT_SIGNAL : MODEL_EXIT_CODE;
    model->exit_value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static bool is_last(const struct process *process, bool gone)
{
    return process->program && gone;
}

/* What the program's last report must still tell of an image that it left by exec: its errors, when no file of its own has them. */
static void keep_errors(const struct delivery *delivery, struct process *process, bool nothing)
{
    const char *json = delivery->settings->text[OPTION_JSON];
    if (!process->program || output_each(json))
        return;
    if (nothing) {      /* the model made of nothing borrows its errors from the models shown: keep those, not it */
        analysis_append(&process->earlier, process->shown);
        process->shown = NULL;
    } else if (process->whole->model->n_errors) {
        analysis_append(&process->earlier, process->whole);
        process->whole = NULL;
    }
}

/* The current image is over: counts it, and writes its JSON if it gets a file now. gone: the process is, too; wait_status: how it
 * ended, NULL: not known to us. */
static void close_image(struct delivery *delivery, struct process *process, bool gone, int *wait_status)
{
    const char *json = delivery->settings->text[OPTION_JSON], *log = delivery->settings->text[OPTION_LOG_FILE];
    bool nothing = !process->whole;
    struct model *model = image_model(delivery, process);
    if (gone)
        set_exit(model, process, wait_status);

    process->images++;
    process->errors += model_gating_errors(model);
    if (model->leaks) {
        process->leaked.bytes += model->leaks->totals[LEAK_DEFINITE].bytes + model->leaks->totals[LEAK_POSSIBLE].bytes;
        process->leaked.blocks += model->leaks->totals[LEAK_DEFINITE].blocks + model->leaks->totals[LEAK_POSSIBLE].blocks;
    }
    if (is_last(process, gone)) {
        prepend_errors(model, process->earlier);
        model->gating |= delivery->tree.gating;
        if (model->exit == MODEL_EXIT_SIGNAL)
            model->exitcode = 128 + model->exit_value;
        else if (model->gating && delivery->options.error_exitcode)
            model->exitcode = delivery->options.error_exitcode;
        else
            model->exitcode = model->exit_value;
    }
    if (json[0] && (output_each(json) || is_last(process, gone) || (process->owner && !process->program)
                    || (!process->owner && has_something_to_say(delivery, model))))
        write_json(delivery, process, model);
    if (log[0] && output_each(log))
        text_place(delivery, process);      /* a clean image's file is there, too */
    /* The program's log lasts as long as it does, unless each image has one; the last one stays open for the summary. */
    if (process->log >= 0 && (!process->program || (!gone && output_each(log)))) {
        close(process->log);
        process->log = -1;
    }
    keep_errors(delivery, process, nothing);
    analysis_free(process->whole);
    analysis_free(process->shown);
    process->whole = process->shown = NULL;
    process->closed = true;
}

void deliver_started(struct delivery *delivery, struct process *process)
{
    if (process->started) {
        if (!process->closed)
            close_image(delivery, process, false, NULL);
        process->image++;
    }
    process_rename(process);
    process->started = true;
    process->closed = false;
}

static struct delivered deliver_finding(struct delivery *delivery, struct process *process, struct wire_message *message)
{
    struct delivered result = {.gating = process->gating};
    struct analysis *analysis = analyse(delivery, process, message, message->request.index, true,
                                        delivery->options.leak_check);
    if (!analysis)
        return result;
    show_errors(delivery, process, analysis->model);
    analysis_append(&process->shown, analysis);
    analysis_free(process->whole);  /* an exec that failed left one; it is out of date */
    process->whole = NULL;
    note_gating(delivery, process, analysis->model->gating);
    result.done = true;
    result.gating = process->gating;
    return result;
}

static struct delivered deliver_whole(struct delivery *delivery, struct process *process, struct wire_message *message)
{
    enum { LEAKS_NO = 2 };
    struct delivered result = {.gating = process->gating};
    bool end = message->request.event == WIRE_END;
    struct analysis *analysis = analyse(delivery, process, message, 0, false, end ? delivery->options.leak_check : LEAKS_NO);
    if (!analysis)
        return result;
    struct model *model = analysis->model;
    const char *log = delivery->settings->text[OPTION_LOG_FILE];
    analysis_free(process->whole);
    process->whole = analysis;
    note_gating(delivery, process, model->gating);
    show_errors(delivery, process, model);
    if (end && (process->program || has_something_to_say(delivery, model) || (log[0] && output_each(log))))
        show_whole(delivery, process, model);
    if (end && !process->program) {
        close_image(delivery, process, false, NULL);
    }
    result.done = true;
    result.gating = process->gating;
    return result;
}

static struct delivered deliver_check(struct delivery *delivery, struct process *process, struct wire_message *message)
{
    struct delivered result = {.gating = process->gating};
    struct analysis *analysis = analyse(delivery, process, message, 0, true, 0);
    if (!analysis)
        return result;
    const struct model *model = analysis->model;
    show_errors(delivery, process, model);
    show_whole(delivery, process, model);
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        result.leaks += !leak->suppressed && !leak->baseline
                     && (delivery->options.fail_on & (uint64_t)SETTINGS_DEFINITE << SETTINGS_FAIL_LEAKS << leak->raw.kind);
    }
    analysis_free(analysis);
    result.done = true;
    return result;
}

struct delivered deliver_request(struct delivery *delivery, struct process *process, struct wire_message *message)
{
    process->closed = false;
    switch ((enum wire_event)message->request.event) {
    case WIRE_FINDING:
        return deliver_finding(delivery, process, message);
    case WIRE_END:
    case WIRE_EXEC:
        return deliver_whole(delivery, process, message);
    case WIRE_CHECK:
        return deliver_check(delivery, process, message);
    case WIRE_DUMP:
        say("process %d (%s) asks for a dump, which this version cannot make", (int)process->pid, process->command);
        break;
    case WIRE_STARTED:
        break;
    }
    if (message->mem_fd >= 0)
        close(message->mem_fd);
    if (message->maps_fd >= 0)
        close(message->maps_fd);
    return (struct delivered){.gating = process->gating};
}

void deliver_gone(struct delivery *delivery, struct process *process)
{
    if (!process->closed)
        close_image(delivery, process, true, NULL);
    process->dead = true;
    if (!process->errors && !process->leaked.blocks && !process->gating)
        tree_drop(&delivery->tree, process);
}

void deliver_program(struct delivery *delivery, struct process *program, int wait_status)
{
    if (!program->started && !program->whole && !program->shown)
        say("libmidden.so was not loaded into %s: its heap was not checked", program->command);
    close_image(delivery, program, true, &wait_status);
    program->dead = true;
    if (delivery->tree.n_seen < 2)
        return;
    struct text text;
    text_begin(&text);
    tree_summary(&delivery->tree, text.stream);
    text_end(&text, text_place(delivery, program), "the summary");
}
