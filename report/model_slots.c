/* What only threads' stacks and registers hold: each slot with the function whose frame it lies in.
 *
 * Unwinding opens the files of all modules, so it is done only where somebody will read the result: when reachable blocks are
 * listed and some are held by a stack alone. */
#include <string.h>

#include "model_parts.h"
#include "unwind.h"

/* The function that a frame is of: not what was inlined into it. NULL: nothing is known of its pc. */
static const struct frame *frame_of(struct model *model, struct symbols *symbols, const struct unwound *unwound)
{
    const struct records *records = model->records;
    uint64_t pc = unwound->exact ? unwound->pc : unwound->pc - 1;
    for (size_t i = 1; i < records->n_modules; i++) {
        const struct record_module *module = &records->modules[i];
        const struct frame *frames;
        if (module->unloaded || pc < module->start || pc >= module->end)
            continue;
        size_t n = symbols_at(symbols, module, records->module_paths[i], unwound->pc, unwound->exact, &frames);
        struct frame *frame = arena_new(&model->arena, sizeof *frame);
        *frame = frames[n - 1];
        frame->pc = unwound->pc;
        return frame;
    }
    return NULL;
}

static void describe(struct model *model, struct symbols *symbols, struct unwinder *unwinder, struct model_slot *slot)
{
    const struct leak_slot *raw = &slot->raw;
    const struct unwound *unwound = NULL;
    slot->thread = model_thread(model, raw->thread);
    slot->site = records_site(model->records, raw->stack);
    if (raw->kind == LEAK_SLOT_STACK)
        unwound = unwinder_frame_at(unwinder, raw->thread, raw->address);
    else if (raw->kind != LEAK_SLOT_RUNNING && !unwinder_frames(unwinder, raw->thread, &unwound))
        unwound = NULL;     /* registers are those of the innermost frame */
    slot->frame = unwound ? frame_of(model, symbols, unwound) : NULL;
}

void model_slots(struct model *model, struct symbols *symbols)
{
    const struct leaks *leaks = model->leaks;
    bool shown = model->options.leak_check == 0 && (model->options.show_leak_kinds >> LEAK_REACHABLE & 1);
    if (!leaks || !leaks->n_slots || !shown)
        return;
    struct unwinder *unwinder = unwinder_open(model->records, symbols_places(symbols));
    model->slots = arena_new(&model->arena, leaks->n_slots * sizeof *model->slots);
    model->n_slots = leaks->n_slots;
    for (size_t i = 0; i < leaks->n_slots; i++) {
        model->slots[i].raw = leaks->slots[i];
        describe(model, symbols, unwinder, &model->slots[i]);
    }
    unwinder_close(unwinder);
}
