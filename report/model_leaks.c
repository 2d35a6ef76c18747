/* The leak check, as the options ask for it, and its records symbolised.
 *
 * Only records that somebody will see or that may gate are symbolised: of a large interpreter, those still reachable are
 * thousands of stacks that nobody asked for. */
#include <stdlib.h>
#include <string.h>

#include "format/site.h"
#include "model_parts.h"

struct leak_context {
    struct model *model;
    struct symbols *symbols;
};

/* Functions of glibc's loader that allocate thread-local storage. */
static bool is_tls_function(const char *name)
{
    static const char *const names[] = {"allocate_dtv", "allocate_dtv_entry", "allocate_and_init", "_dl_resize_dtv", "tls_get_addr_tail",
                                        "_dl_allocate_tls", "_dl_allocate_tls_init", "_dl_allocate_tls_storage", "_dl_update_slotinfo",
                                        "__tls_get_addr", "__tls_get_addr_slow", "update_get_addr"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The innermost frames, as long as they are the loader's. */
static bool loader_tls(void *ctx, uint32_t stack)
{
    enum { DEEP = 8 };
    struct leak_context *context = ctx;
    struct records *records = context->model->records;
    const struct record_node *nodes[DEEP];
    size_t n = records_stack(records, stack, nodes, DEEP);
    for (size_t i = 0; i < n; i++) {
        unsigned index = record_node_module(nodes[i]->place);
        const struct record_module *module = records_module(records, index);
        const struct frame *frames;
        if (!(module->flags & RECORD_MODULE_LOADER))
            return false;
        size_t count = symbols_at(context->symbols, module, records->module_paths[index], record_node_pc(nodes[i]->place), false, &frames);
        for (size_t k = 0; k < count; k++)
            if (frames[k].function && is_tls_function(frames[k].function))
                return true;
    }
    return false;
}

/* Are definitely lost blocks from this stack suppressed? */
static bool excused(void *ctx, uint32_t stack, uint8_t allocator)
{
    struct leak_context *context = ctx;
    struct model *model = context->model;
    struct stack frames = frames_of(model->records, context->symbols, &model->arena, stack, (enum record_allocator)allocator);
    return model->options.excuse(model->options.excuse_ctx, &frames);
}

static void progress(void *ctx, uint64_t done, uint64_t all)
{
    const struct leak_context *context = ctx;
    context->model->options.progress(context->model->options.ctx, done, all);
}

static uint64_t fingerprint_of(const struct model_leak *leak)
{
    const char *kind = leak_kind_names[leak->raw.kind];
    return frames_fingerprint(&leak->stack, site_module((const uint8_t *)kind, strlen(kind)) ^ site_module((const uint8_t *)"leak", 4));
}

void model_leaks(struct model *model, struct symbols *symbols)
{
    struct error error;
    struct leak_context context = {model, symbols};
    struct leaks_options options = {.loader_tls = loader_tls, .progress = model->options.progress ? progress : NULL, .ctx = &context,
                                    .excused = model->options.excuse ? excused : NULL};
    enum { FULL, SUMMARY, NO };
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
        leak->fingerprint = fingerprint_of(leak);
    }
}
