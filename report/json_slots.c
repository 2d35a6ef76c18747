/* What only threads' stacks and registers hold, and cycles, in the JSON report. */
#include "json_slots.h"

#include "json_parts.h"
#include "leak_path.h"

static json_t *slot_of(const struct model_slot *slot)
{
    static const char *const kinds[] = {
        [LEAK_SLOT_STACK] = "stack", [LEAK_SLOT_CONTEXT] = "signal-frame", [LEAK_SLOT_RUNNING] = "running", [LEAK_SLOT_REGISTER] = "register",
    };
    const struct leak_slot *raw = &slot->raw;
    bool has_address = raw->kind == LEAK_SLOT_STACK || raw->kind == LEAK_SLOT_CONTEXT;
    const struct stack frame = {.frames = &(const struct frame *){slot->frame}, .n = 1};
    json_t *object = json_object();
    put_json(object, "kind", json_string(kinds[raw->kind]));
    put_json(object, "thread", as_thread(slot->thread));
    put_json(object, "address", has_address ? as_address(raw->address) : json_null());
    put_json(object, "register", raw->kind == LEAK_SLOT_REGISTER ? json_string(path_register_name((unsigned)raw->address)) : json_null());
    json_t *frames = slot->frame ? as_stack(&frame) : NULL;
    put_json(object, "frame", frames ? json_incref(json_array_get(frames, 0)) : json_null());
    json_decref(frames);
    put_json(object, "block", as_address(raw->block));
    put_json(object, "size", as_number(raw->size));
    put_json(object, "site", as_hash(slot->site));
    put_json(object, "bytes", as_number(raw->bytes));
    put_json(object, "blocks", as_number(raw->blocks));
    return object;
}

json_t *as_stack_only(const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    json_t *object = as_total(leaks->stack_only.bytes, leaks->stack_only.blocks), *list = json_array();
    for (size_t i = 0; i < model->n_slots; i++)
        json_array_append_new(list, slot_of(&model->slots[i]));
    put_json(object, "slots", list);
    put_json(object, "more_slots", as_number(model->n_slots ? leaks->more_slots : leaks->n_slots + leaks->more_slots));
    return object;
}

json_t *as_cycles(const struct leak_cycles *cycles)
{
    if (!cycles->cycles)
        return json_null();
    json_t *object = as_total(cycles->members.bytes, cycles->members.blocks);
    put_json(object, "cycles", as_number(cycles->cycles));
    put_json(object, "largest", as_number(cycles->largest));
    put_json(object, "entry", as_address(cycles->entry));
    put_json(object, "retained", as_total(cycles->retained.bytes, cycles->retained.blocks));
    return object;
}
