/* From the descriptors of a process to a judged model.
 *
 *   memory image → records → model (findings, leak check, symbols) → suppressions → verdict
 *
 * The image is closed as soon as the model is made (models do not read from it), so that no descriptor is held per finding. */
#include "analysis.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "baseline.h"
#include "error.h"
#include "heap_map.h"
#include "image.h"
#include "memory.h"
#include "progress.h"
#include "say.h"
#include "suppressions.h"
#include "wire.h"
#include "wishes.h"

/* The user's suppressions, and the program's own. */
struct both {
    struct suppressions *users, *own;
};

static bool excuse(void *ctx, const struct stack *stack)
{
    const struct both *both = ctx;
    return (both->users && suppressions_excuse(both->users, stack)) || (both->own && suppressions_excuse(both->own, stack));
}

/* ---- the way from image to model --------------------------------------------------------------------------------------- */

struct analysis *analysis_read(const struct analysis_order *order)
{
    struct error error = {""};
    struct image_fds fds = order->fds;
    struct image *image = wire_image(order->pid, order->request, &fds, &error);
    struct records *records = image ? records_open(image, order->request->anchor, &error) : NULL;
    if (!records) {
        say("process %d (%s) cannot be read: %s; its report is lost", (int)order->pid, order->command, error.text);
        image_close(image);
        return NULL;
    }

    struct model_options options = order->options;
    struct progress progress;
    progress_begin(&progress, "looking for leaks");
    options.progress = progress_wanted() ? progress_show : NULL;
    options.ctx = &progress;
    struct both both = {order->suppressions, wishes_apply(records, order->given, &options)};
    options.excuse = both.users || both.own ? excuse : NULL;
    options.excuse_ctx = &both;
    records->to_main = order->to_main && !options.excuse;
    if (!order->finding && !order->about && records->anchor.phase != RECORD_EXITING)
        heap_map_refresh(records);  /* the library makes these figures at the end only */
    struct model *model = order->about ? model_new_about(records, order->symbols, order->about_address, &options)
                        : order->finding ? model_new_finding(records, order->symbols, order->finding, &options)
                        : model_new(records, order->symbols, &options);
    progress_end(&progress);
    image_close(image);
    records->image = NULL;
    if (!model) {
        say("process %d (%s): finding %zu cannot be read; it is lost", (int)order->pid, order->command, order->finding);
        records_close(records);
        return NULL;
    }
    model->options.progress = NULL;
    model->pid = order->pid;
    model->image = order->image;
    if (order->suppressions)
        suppressions_apply(order->suppressions, model);
    if (both.own)
        suppressions_apply(both.own, model);
    model->options.excuse = NULL;
    if (order->baseline)
        baseline_apply(order->baseline, model);
    wishes_list(model);
    model_judge(model);

    struct analysis *analysis = memory_new(1, sizeof *analysis);
    analysis->records = records;
    analysis->model = model;
    return analysis;
}

struct analysis *analysis_nothing(pid_t pid, unsigned image, char *const *argv, const struct model_options *options)
{
    struct analysis *analysis = memory_new(1, sizeof *analysis);
    struct model *model = memory_new(1, sizeof *model);
    analysis->records = memory_new(1, sizeof *analysis->records);
    analysis->model = model;
    model->records = analysis->records;
    model->options = *options;
    model->pid = pid;
    model->image = image;
    model->no_leaks_why = "the process ended without a last word to the agent";
    while (argv && argv[model->argc])
        model->argc++;
    model->argv = arena_new(&model->arena, (model->argc + 1) * sizeof *model->argv);
    for (size_t i = 0; i < model->argc; i++)
        model->argv[i] = arena_text(&model->arena, argv[i], strlen(argv[i]));
    return analysis;
}

void analysis_prepend(struct model *model, const struct analysis *list)
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

/* ---- lists -------------------------------------------------------------------------------------------------------------- */

void analysis_append(struct analysis **list, struct analysis *analysis)
{
    while (*list)
        list = &(*list)->next;
    *list = analysis;
}

void analysis_free(struct analysis *analysis)
{
    while (analysis) {
        struct analysis *next = analysis->next;
        model_free(analysis->model);
        records_close(analysis->records);
        free(analysis);
        analysis = next;
    }
}
