/* Who gets which report, and where it goes.
 *
 *   finding     shown at once, as text; its model is kept until a whole one replaces it
 *   exec, end   the whole image is analysed: text, JSON. What was shown already is only counted
 *   check, …    what the program asks for itself: deliver_asked.c
 *
 * The program's JSON waits until its exit status is known. Other processes write theirs when they end, and only if they have
 * something to say (with %p in the name: always). A process that is killed cannot be read any more; then its report is made of the
 * findings that were shown. */
#include "deliver.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baseline.h"
#include "deliver_parts.h"
#include "gate.h"
#include "outputs.h"
#include "place.h"
#include "say.h"
#include "suppressions.h"
#include "valgrind.h"
#include "valgrind_fds.h"

void delivery_init(struct delivery *delivery, const struct settings *settings, struct suppressions *suppressions, struct baseline *baseline,
                   bool under_run)
{
    memset(delivery, 0, sizeof *delivery);
    delivery->settings = settings;
    delivery->suppressions = suppressions;
    delivery->baseline = baseline;
    delivery->under_run = under_run;
    delivery->symbols = symbols_open();
    delivery->log = -1;
    for (int i = 0; i < FORMATS; i++)
        delivery->files[i] = -1;
    delivery->options.leak_check = (unsigned)settings->meaning[OPTION_LEAK_CHECK];
    delivery->options.show_leak_kinds = settings->meaning[OPTION_SHOW_LEAK_KINDS];
    delivery->options.fail_on = settings->meaning[OPTION_FAIL_ON];
    delivery->options.max_leaked = settings->meaning[OPTION_MAX_LEAKED];
    delivery->options.gen_suppressions = settings->meaning[OPTION_GEN_SUPPRESSIONS];
    delivery->options.error_exitcode = (int)settings->meaning[OPTION_ERROR_EXITCODE];
}

/* ---- images ---------------------------------------------------------------------------------------------------------------- */

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

static bool was_shown(const struct process *process, size_t index)
{
    for (const struct analysis *at = process->shown; at; at = at->next)
        for (size_t i = 0; i < at->model->n_errors; i++)
            if (at->model->errors[i].index == index)
                return true;
    return false;
}

/* Of the same line as one that was shown: it stands for both. */
static bool is_repeated(const struct process *process, const struct model *model)
{
    for (const struct analysis *at = process->shown; at && model->n_errors == 1; at = at->next)
        for (size_t i = 0; i < at->model->n_errors; i++)
            if (model_same_line(&at->model->errors[i], &model->errors[0]))
                return true;
    return false;
}

/* Is the text of such a process wanted? */
static bool is_told(const struct delivery *delivery, const struct model *model)
{
    const struct valgrind_style *style = delivery->settings->valgrind;
    return !style || !(style->no_text || (style->silent_children && model->generation));
}

/* Shows the errors that were not shown yet. */
void deliver_show_errors(struct delivery *delivery, struct process *process, const struct model *model)
{
    struct text text;
    bool begun = false;
    for (size_t i = 0; i < model->n_errors; i++) {
        if (model->errors[i].suppressed || was_shown(process, model->errors[i].index) || !is_told(delivery, model))
            continue;
        if (!begun)
            text_begin(&text, delivery->settings, process);
        begun = true;
        if (delivery->settings->valgrind)
            render_valgrind_error(model, &model->errors[i], delivery->settings->valgrind, text.stream);
        else
            render_text_error(model, &model->errors[i], &text.look, text.stream);
    }
    if (begun)
        text_end(&text, "a finding");
}

void deliver_show_whole(struct delivery *delivery, struct process *process, const struct model *model)
{
    struct text text;
    process->told = true;
    if (!is_told(delivery, model))
        return;
    text_begin(&text, delivery->settings, process);
    if (delivery->settings->valgrind && delivery->settings->valgrind->track_fds && model->exit != MODEL_EXIT_NONE)
        valgrind_fds(process->pid, delivery->settings->valgrind, text.stream);
    if (delivery->settings->valgrind)
        render_valgrind_text(model, delivery->settings->valgrind, text.stream);
    else
        render_text(model, &text.look, text.stream);
    text_end(&text, "the report");
}

static void note_gating(struct delivery *delivery, struct process *process, const struct model *model)
{
    enum { FOLLOW_YES, FOLLOW_NO };
    if (!model->gating)
        return;
    process->gating = true;
    process->exitcode = model->options.error_exitcode;
    if (!process->program && delivery->settings->meaning[OPTION_FOLLOW_CHILDREN] != FOLLOW_YES)
        return;
    if (!delivery->tree.gating || process->program)     /* a program may have a status of its own (wishes.c) */
        delivery->tree.exitcode = process->exitcode;
    delivery->tree.gating = true;
}

/* The model of the current image as far as it was told; owned by the process. */
static struct model *image_model(struct delivery *delivery, struct process *process)
{
    if (!process->whole) {
        process->whole = analysis_nothing(process->pid, process->image, process->program ? delivery->argv : NULL,
                                          &delivery->options);
        analysis_prepend(process->whole->model, process->shown);
        if (delivery->baseline) {       /* each finding was judged alone: together they may be more than is known */
            baseline_apply(delivery->baseline, process->whole->model);
            model_judge(process->whole->model);
        }
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

/* What the program's last report must still tell of an image that it left by exec: its errors, when there is a file that has not
 * one of its own for each image. */
static void keep_errors(const struct delivery *delivery, struct process *process, bool nothing)
{
    bool wanted = false;
    for (int i = 0; i < FORMATS; i++) {
        const char *file = place_file(delivery->settings, (enum format_id)i);
        wanted |= file[0] && !output_each(file);
    }
    if (!process->program || !wanted)
        return;
    if (nothing) {      /* the model made of nothing borrows its errors from the models shown: keep those, not it */
        analysis_append(&process->earlier, process->shown);
        process->shown = NULL;
    } else if (process->whole->model->n_errors) {
        analysis_append(&process->earlier, process->whole);
        process->whole = NULL;
    }
}

/* The verdict of the program's last image is that of the whole run. */
static void judge_run(const struct delivery *delivery, struct model *model)
{
    model->gating |= delivery->tree.gating && !delivery->tree.failed;
    if (model->exit == MODEL_EXIT_SIGNAL)
        model->exitcode = 128 + model->exit_value;
    else if ((model->gating || delivery->tree.failed) && delivery->tree.exitcode)
        model->exitcode = delivery->tree.exitcode;
    else
        model->exitcode = model->exit_value;
}

/* Writes the files of the image that are due now. each: those of which every image has one of its own, else those that belong to a
 * process. */
static void write_files(struct delivery *delivery, struct process *process, const struct model *model, bool gone, bool each)
{
    for (int i = 0; i < FORMATS; i++) {
        const char *file = place_file(delivery->settings, (enum format_id)i);
        if (!place_has_file(delivery->settings, (enum format_id)i) || output_each(file) != each)
            continue;
        if (each || is_last(process, gone) || (process->owner && !process->program)
            || (!process->owner && has_something_to_say(delivery, model)))
            place_write_file(delivery->settings, process, model, (enum format_id)i);
    }
}

static void describe_run(const struct delivery *delivery, struct model *model)
{
    tree_describe(&delivery->tree, model);
    model->run->n_used = suppressions_used(delivery->suppressions, true, &model->run->used);
    model->run->n_unused = suppressions_used(delivery->suppressions, false, &model->run->unused);
    model->run->baseline = delivery->baseline;
}

/* A baseline that was asked for and is not there: midden failed, which a good status of the program must not hide. */
static void write_baseline(struct delivery *delivery, const struct model *last)
{
    const char *path = delivery->settings->text[OPTION_WRITE_BASELINE];
    if (!delivery->baseline)
        return;
    delivery->baseline->written = path[0] && baseline_write(delivery->baseline, path);
    if (!path[0] || delivery->baseline->written)
        return;
    say("cannot write the baseline '%s': %s", path, strerror(errno));
    if (last->exit == MODEL_EXIT_CODE && last->exit_value == 0 && !delivery->tree.gating) {
        delivery->tree.gating = delivery->tree.failed = true;
        delivery->tree.exitcode = STATUS_FAILED;
    }
}

/* The current image is over: counts it, and writes those files that are due now. gone: the process is, too; wait_status: how it
 * ended, NULL: not known to us. */
static void close_image(struct delivery *delivery, struct process *process, bool gone, int *wait_status)
{
    const char *log = delivery->settings->text[OPTION_LOG_FILE];
    bool nothing = !process->whole;
    struct model *model = image_model(delivery, process);
    if (gone)
        set_exit(model, process, wait_status);
    /* What reads memcheck's text waits for its last lines, however the program ended. */
    if (delivery->settings->valgrind && gone && !process->told && (process->program || has_something_to_say(delivery, model)))
        deliver_show_whole(delivery, process, model);

    note_gating(delivery, process, model);
    suppressions_count(delivery->suppressions, model);
    if (delivery->baseline)
        baseline_note(delivery->baseline, model);
    delivery->tree.n_known += model_known(model);
    process->images++;
    process->errors += model_gating_errors(model);
    if (model->leaks) {
        process->leaked.bytes += model->leaks->totals[LEAK_DEFINITE].bytes + model->leaks->totals[LEAK_POSSIBLE].bytes;
        process->leaked.blocks += model->leaks->totals[LEAK_DEFINITE].blocks + model->leaks->totals[LEAK_POSSIBLE].blocks;
    }
    if (is_last(process, gone)) {       /* what the reports say of the run depends on whether its baseline is there */
        write_baseline(delivery, model);
        judge_run(delivery, model);
    }
    write_files(delivery, process, model, gone, true);
    if (is_last(process, gone)) {
        analysis_prepend(model, process->earlier);
        judge_run(delivery, model);
        describe_run(delivery, model);
    }
    write_files(delivery, process, model, gone, false);
    if (log[0] && output_each(log))
        place_open_log(delivery->settings, process);     /* a clean image's file is there, too */
    /* The program's log lasts as long as it does, unless each image has one; the last one stays open for the summary. */
    if (process->log >= 0 && (!process->program || (!gone && output_each(log)))) {
        close(process->log);
        process->log = -1;
    }
    keep_errors(delivery, process, nothing);
    analysis_free(process->whole);
    analysis_free(process->shown);
    process->whole = process->shown = NULL;
    deliver_forget_check(process);
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
    process->told = false;
    if (delivery->settings->valgrind && process->program && !delivery->settings->valgrind->no_text) {
        struct text text;       /* the banner */
        text_begin(&text, delivery->settings, process);
        text_end(&text, "the first lines");
    }
}

/* true: reports are read as text alone, which ends with main. What is outside of main is libc's, of which most reports need no other name; where
 * libc's debug information is installed, unpacking it takes 30 ms, for which a program that ends would wait. */
static bool is_text_alone(const struct delivery *delivery)
{
    if (delivery->settings->valgrind || delivery->options.gen_suppressions)
        return false;
    for (int i = 0; i < FORMATS; i++)
        if (place_has_file(delivery->settings, (enum format_id)i))
            return false;
    return true;
}

bool deliver_order(const struct delivery *delivery, struct process *process, struct wire_message *message, struct analysis_order *order)
{
    enum { LEAKS_FULL, LEAKS_SUMMARY, LEAKS_NO };
    *order = (struct analysis_order){
        .pid = process->pid, .command = process->command, .image = process->image, .request = &message->request,
        .options = delivery->options, .symbols = delivery->symbols, .suppressions = delivery->suppressions,
        .baseline = delivery->baseline, .given = delivery->settings->given, .to_main = is_text_alone(delivery),
    };
    switch ((enum wire_event)message->request.event) {
    case WIRE_FINDING:
        order->finding = message->request.index;
        order->options.live = true;
        break;
    case WIRE_EXEC:
        order->options.leak_check = LEAKS_NO;
        break;
    case WIRE_END:
        break;
    case WIRE_CHECK:
        order->options.live = true;
        order->options.leak_check = message->request.index == WIRE_CHECK_SUMMARY ? LEAKS_SUMMARY : LEAKS_FULL;
        break;
    case WIRE_DESCRIBE:
        order->options.live = true;
        order->about = true;
        order->about_address = message->request.index;
        break;
    default:
        return false;
    }
    process->closed = false;
    order->fds = message->fds;
    message->fds = (struct image_fds)IMAGE_NO_FDS;
    return true;
}

static void finding_done(struct delivery *delivery, struct process *process, struct analysis *analysis)
{
    analysis_free(process->whole);  /* an exec that failed left one; it is out of date */
    process->whole = NULL;
    process->told = false;
    if (is_repeated(process, analysis->model)) {
        analysis_free(analysis);
        return;
    }
    deliver_show_errors(delivery, process, analysis->model);
    analysis_append(&process->shown, analysis);
    note_gating(delivery, process, analysis->model);
}

static void whole_done(struct delivery *delivery, struct process *process, struct analysis *analysis, bool end)
{
    struct model *model = analysis->model;
    const char *log = delivery->settings->text[OPTION_LOG_FILE];
    analysis_free(process->whole);
    process->whole = analysis;
    process->told = !end;           /* what becomes another program has no last lines */
    note_gating(delivery, process, model);
    deliver_show_errors(delivery, process, model);
    if (end && (process->program || has_something_to_say(delivery, model) || (log[0] && output_each(log))))
        deliver_show_whole(delivery, process, model);
    if (end && !process->program)
        close_image(delivery, process, false, NULL);
}

struct delivered deliver_done(struct delivery *delivery, struct process *process, const struct wire_message *message,
                              struct analysis *analysis)
{
    enum wire_event event = (enum wire_event)message->request.event;
    if (analysis && event == WIRE_CHECK && wire_gave_up(message)) {
        say("process %d (%s) went on before its image was read; that report is dropped", (int)process->pid, process->command);
        analysis_free(analysis);
        analysis = NULL;
    }
    struct delivered result = {.done = analysis != NULL};
    if (analysis && delivery->settings->valgrind && delivery->settings->valgrind->no_mismatches)
        valgrind_drop_mismatches(analysis->model);
    if (analysis && delivery->settings->valgrind && delivery->baseline && !delivery->baseline->accept)
        model_suppress_known(analysis->model);
    if (analysis && event == WIRE_FINDING)
        finding_done(delivery, process, analysis);
    else if (analysis && event == WIRE_CHECK)
        deliver_checked(delivery, process, message, analysis, &result);
    else if (analysis && event == WIRE_DESCRIBE)
        deliver_described(delivery, process, analysis);
    else if (analysis)
        whole_done(delivery, process, analysis, event == WIRE_END);
    result.gating = process->gating;
    return result;
}

void deliver_gone(struct delivery *delivery, struct process *process)
{
    if (!process->closed)
        close_image(delivery, process, true, NULL);
    process->dead = true;
    if (!process->errors && !process->leaked.blocks && !process->gating)
        tree_drop(&delivery->tree, process);
}

/* What is said of suppressions and baselines at the end of everything. */
static void show_gate(const struct delivery *delivery, bool several, FILE *out)
{
    if (delivery->suppressions)
        gate_show_suppressions(delivery->suppressions, several, out);
    if (delivery->baseline)
        gate_show_baseline(delivery->baseline, out);
}

void deliver_program(struct delivery *delivery, struct process *program, int wait_status)
{
    if (!program->started && !program->whole && !program->shown)
        say("libmidden.so was not loaded into %s: its heap was not checked", program->command);
    close_image(delivery, program, true, &wait_status);
    program->dead = true;
    if (delivery->settings->valgrind)
        return;
    bool several = delivery->tree.n_seen >= 2;
    struct text text;
    text_begin(&text, delivery->settings, program);
    if (several)
        tree_summary(&delivery->tree, text.stream);
    show_gate(delivery, several, text.stream);
    text_end(&text, "the summary");
}
