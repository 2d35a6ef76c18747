/* The leak check, as the options ask for it, and its records symbolised.
 *
 * Only records that somebody will see or that may gate are symbolised: of a large interpreter, those still reachable are
 * thousands of stacks that nobody asked for. */
#include <stdlib.h>
#include <string.h>

#include "format/site.h"
#include "loader_tls.h"
#include "model_parts.h"
#include "records_marks.h"

struct leak_context {
    struct loader_tls loader;   /* first: leaks_check() hands it on by this address */
    struct model *model;
};

/* Are definitely lost blocks from this stack suppressed? */
static bool excused(void *ctx, uint32_t stack, uint8_t allocator)
{
    struct leak_context *context = ctx;
    struct model *model = context->model;
    struct stack frames = frames_of(model->records, context->loader.symbols, &model->arena, stack, (enum record_allocator)allocator);
    return model->options.excuse(model->options.excuse_ctx, &frames);
}

static void progress(void *ctx, uint64_t done, uint64_t all)
{
    const struct leak_context *context = ctx;
    context->model->options.progress(context->model->options.ctx, done, all);
}

/* The kinds of lost blocks share a seed: a stray word in memory makes a definite leak a possible one, and which block of a ring is
 * the definite one is chance. */
static uint64_t fingerprint_of(const struct model_leak *leak)
{
    const char *kind = leak->raw.kind == LEAK_REACHABLE ? "reachable" : "lost";
    return frames_fingerprint(&leak->stack, site_module((const uint8_t *)kind, strlen(kind)));
}

/* The name of the block at `address`. */
static const char *name_of(struct records *records, uint64_t address)
{
    const struct record_object *object = records->n_labels ? records_object_at(records, address) : NULL;
    struct records_found found;
    if (object && object->address == address)
        return records_name(records, address, object->block.sequence);
    return records->n_labels && records_block_at(records, address, &found) ? records_name(records, address, found.block.sequence) : "";
}

void model_leaks(struct model *model, struct symbols *symbols)
{
    struct error error;
    struct leak_context context = {{model->records, symbols}, model};
    struct leaks_options options = {.loader_tls = loader_tls_stack, .progress = model->options.progress ? progress : NULL, .ctx = &context,
                                    .excused = model->options.excuse ? excused : NULL};
    enum { FULL, SUMMARY, NO };
    model->no_leaks_why = model->options.no_leaks_why;
    if (model->options.leak_check == NO)
        return;
    model->leaks = leaks_check(model->records, &options, &error);
    if (!model->leaks) {
        model->no_leaks_why = arena_text(&model->arena, error.text, strlen(error.text));
        return;
    }
    /* The bits of --show-leak-kinds are in the order of enum leak_kind, those of --fail-on one further. */
    uint64_t show = model->options.leak_check == SUMMARY ? 0 : model->options.show_leak_kinds, fail = model->options.fail_on >> 1;
    size_t wanted = 0;
    for (size_t i = 0; i < model->leaks->n_records; i++)
        wanted += ((show | fail) >> model->leaks->records[i].kind) & 1;
    model->leak_records = memory_new(wanted, sizeof *model->leak_records);
    for (size_t i = 0; i < model->leaks->n_records; i++) {
        const struct leak_record *record = &model->leaks->records[i];
        if (!(((show | fail) >> record->kind) & 1))
            continue;
        struct model_leak *leak = &model->leak_records[model->n_leak_records++];
        leak->raw = *record;
        leak->listed = show >> record->kind & 1;
        leak->gates = fail >> record->kind & 1;
        leak->site = records_site(model->records, record->stack);
        leak->stack = frames_of(model->records, symbols, &model->arena, record->stack, (enum record_allocator)record->allocator);
        leak->name = name_of(model->records, record->example);
        leak->fingerprint = fingerprint_of(leak);
    }
}
