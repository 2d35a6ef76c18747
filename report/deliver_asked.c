/* What the program asks for itself: leak checks in its midst, and what is known about an address.
 *
 * For the checks that show differences, the records of a process's last check are remembered by kind and place of allocation. A
 * check shows what is asked for; whether it gates is left to the end, which finds it again. */
#include "deliver_parts.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "place.h"

struct checked_leak {
    enum leak_kind kind;
    uint64_t site, fingerprint; /* 0: no stack */
    uint64_t bytes, blocks;
};

static int leak_order(const void *left, const void *right)
{
    const struct checked_leak *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->site != b->site)
        return a->site < b->site ? -1 : 1;
    return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

static struct checked_leak seen_of(const struct model_leak *leak)
{
    return (struct checked_leak){leak->raw.kind, leak->site, leak->fingerprint, leak->raw.bytes + leak->raw.indirect_bytes,
                                 leak->raw.blocks + leak->raw.indirect_blocks};
}

void deliver_forget_check(struct process *process)
{
    free(process->checked);
    process->checked = NULL;
    process->n_checked = 0;
}

static void remember(struct process *process, const struct model *model)
{
    deliver_forget_check(process);
    process->checked = memory_new(model->n_leak_records, sizeof *process->checked);
    for (size_t i = 0; i < model->n_leak_records; i++)
        process->checked[process->n_checked++] = seen_of(&model->leak_records[i]);
    if (process->n_checked)
        qsort(process->checked, process->n_checked, sizeof *process->checked, leak_order);
}

/* Is the record one that this check is to show? */
static bool is_wanted(const struct process *process, const struct model_leak *leak, enum wire_check mode)
{
    struct checked_leak now = seen_of(leak);
    const struct checked_leak *before = process->n_checked
        ? bsearch(&now, process->checked, process->n_checked, sizeof now, leak_order) : NULL;
    switch (mode) {
    case WIRE_CHECK_ADDED:
        return !before || now.bytes > before->bytes || now.blocks > before->blocks;
    case WIRE_CHECK_CHANGED:
        return !before || now.bytes != before->bytes || now.blocks != before->blocks;
    case WIRE_CHECK_NEW:
        return !before;
    case WIRE_CHECK_FULL: case WIRE_CHECK_SUMMARY: case WIRE_CHECK_COUNT:
        break;
    }
    return true;
}

static void take_figures(const struct model *model, struct wire_reply *checked)
{
    const struct leaks *leaks = model->leaks;
    for (int kind = 0; leaks && kind < LEAK_KINDS; kind++) {
        checked->leak_bytes[kind] = leaks->totals[kind].bytes;
        checked->leak_blocks[kind] = leaks->totals[kind].blocks;
    }
    if (leaks) {
        checked->leak_bytes[LEAK_KINDS] = model->suppressed_leaks.bytes + leaks->ignored.bytes;
        checked->leak_blocks[LEAK_KINDS] = model->suppressed_leaks.blocks + leaks->ignored.blocks;
    }
}

void deliver_checked(struct delivery *delivery, struct process *process, const struct wire_message *message, struct analysis *analysis,
                     struct delivered *result)
{
    uint64_t asked = message->request.index;
    enum wire_check mode = asked <= WIRE_CHECK_COUNT ? (enum wire_check)asked : WIRE_CHECK_FULL;
    struct model *model = analysis->model;
    struct wire_reply *checked = &result->checked;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        struct model_leak *leak = &model->leak_records[i];
        bool wanted = is_wanted(process, leak, mode);
        leak->listed = leak->listed && wanted;
        checked->leaks += wanted && leak->gates && !leak->suppressed && !leak->baseline;
    }
    take_figures(model, checked);
    checked->end_status = checked->leaks ? model->options.error_exitcode : 0;
    deliver_show_errors(delivery, process, model);
    if (mode != WIRE_CHECK_COUNT) {
        deliver_show_whole(delivery, process, model);
        remember(process, model);
    }
    for (int i = 0; model->snapshot.cause == WIRE_CAUSE_PERIOD && i < FORMATS; i++)
        if (place_has_file(delivery->settings, (enum format_id)i))
            place_write_snapshot(delivery->settings, process, model, (enum format_id)i);
    analysis_free(analysis);
}

void deliver_described(struct delivery *delivery, struct process *process, struct analysis *analysis)
{
    struct text text;
    text_begin(&text, delivery->settings, process);
    render_text_about(analysis->model, &text.look, text.stream);
    text_end(&text, "what is known about an address");
    analysis_free(analysis);
}
