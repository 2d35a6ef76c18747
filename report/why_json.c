/* The answer of `midden why` as JSON, schema midden-why/1. */
#include <string.h>

#include "records_marks.h"
#include "why.h"

static const char *const kind_names[] = {
    [WHERE_NULL] = "null", [WHERE_BLOCK] = "block", [WHERE_HEAP] = "heap", [WHERE_OWN] = "midden", [WHERE_CODE] = "code",
    [WHERE_DATA] = "data", [WHERE_STACK] = "stack", [WHERE_TLS] = "thread-local", [WHERE_MAPPING] = "mapping", [WHERE_NOTHING] = "nothing",
};

static const char *const holder_names[] = {
    [HOLDER_BLOCK] = "block", [HOLDER_MEMORY] = "memory", [HOLDER_TLS] = "thread-local", [HOLDER_REGISTERED] = "registered",
    [HOLDER_STACK] = "stack", [HOLDER_CONTEXT] = "context", [HOLDER_RUNNING] = "running", [HOLDER_REGISTER] = "register",
    [HOLDER_NOTHING] = "nothing",
};

static json_t *thread_json(const struct records *records, uint32_t index)
{
    if (!index || index >= records->n_threads)
        return json_null();
    struct model_thread thread = {.id = index, .tid = records->threads[index].tid, .name = records->threads[index].name};
    return as_thread(&thread);
}

static json_t *module_json(const struct records *records, unsigned index)
{
    return index && index < records->n_modules ? as_text(records->module_paths[index]) : json_null();
}

static json_t *variable_json(const struct why *why, const struct variable *variable, unsigned module)
{
    json_t *object = json_object();
    put_json(object, "name", as_text(variable->name));
    put_json(object, "module", module_json(why->opened->records, module));
    put_json(object, "address", as_address(variable->address));
    put_json(object, "size", as_number(variable->size));
    return object;
}

static json_t *block_json(struct why *why, uint64_t address, const struct record_block *record, bool stacks)
{
    const struct records *records = why->opened->records;
    unsigned state = record_head_state(record->head), call = record_head_allocator(record->head);
    const struct stack_fact *fact = stack_fact_framed(&why->facts, record->alloc_stack, call);
    json_t *object = json_object();
    put_json(object, "address", as_address(address));
    put_json(object, "size", as_number(record_head_size(record->head)));
    put_json(object, "state", as_text(block_state_name(state)));
    put_json(object, "allocator", as_text(frames_allocator_name(call)));
    put_json(object, "site", as_hash(fact->site));
    const char *name = records_name(why->opened->records, address, record->sequence);
    put_json(object, "name", *name ? as_text(name) : NULL);
    if (!stacks)
        return object;
    json_t *alloc = json_object();
    put_json(alloc, "stack", as_stack(&fact->frames));
    put_json(alloc, "thread", thread_json(records, record->alloc_thread));
    put_json(object, "alloc", alloc);
    json_t *freed = NULL;
    if (state != RECORD_BLOCK_LIVE) {
        freed = json_object();
        put_json(freed, "stack", as_stack(&stack_fact_framed(&why->facts, record->free_stack, frames_freed_by(why->opened->records, record))->frames));
        put_json(freed, "thread", thread_json(records, record->free_thread));
    }
    put_json(object, "free", freed);
    return object;
}

static json_t *bytes_json(const uint8_t *bytes, size_t n)
{
    char text[2 * WITNESS_SHOWN + 1] = "";
    for (size_t i = 0; i < n && i < WITNESS_SHOWN; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return json_string(text);
}

static json_t *witnesses_json(const struct witnesses *witnesses)
{
    static const char *const states[] = {"intact", "damaged", "unreadable"};
    json_t *list = json_array();
    for (size_t i = 0; i < witnesses->n; i++) {
        const struct witness *witness = &witnesses->list[i];
        json_t *object = json_object();
        put_json(object, "name", json_string(witness->name));
        put_json(object, "address", as_address(witness->address));
        put_json(object, "bytes", as_number(witness->n));
        put_json(object, "state", json_string(states[witness->state]));
        put_json(object, "expected", witness->expected_word ? as_hash(witness->expected_word) : json_sprintf("%02x", witness->expected));
        put_json(object, "first_wrong", witness->state == WITNESS_DAMAGED ? as_number(witness->wrong) : NULL);
        put_json(object, "wrong", witness->state == WITNESS_DAMAGED ? as_number(witness->n_wrong) : NULL);
        put_json(object, "shown_from", as_number(witness->shown_from));
        put_json(object, "shown", bytes_json(witness->bytes, witness->n_shown));
        json_array_append_new(list, object);
    }
    return list;
}

/* Where a pointer stands. */
static json_t *holder_json(struct why *why, const struct holder *holder)
{
    const struct records *records = why->opened->records;
    json_t *object = json_object();
    put_json(object, "kind", json_string(holder_names[holder->kind]));
    put_json(object, "address", holder->address ? as_address(holder->address) : NULL);
    put_json(object, "value", as_address(holder->word));
    if (holder->thread)
        put_json(object, "thread", thread_json(records, holder->thread));
    if (holder->kind == HOLDER_REGISTER)
        put_json(object, "register", as_text(path_register_name(holder->reg)));
    if (holder->kind == HOLDER_BLOCK) {
        put_json(object, "block", block_json(why, holder->block.address, &holder->block.record, false));
        put_json(object, "offset", as_number(holder->address - holder->block.address));
    }
    if (holder->kind == HOLDER_MEMORY || holder->kind == HOLDER_STACK) {
        struct whereabouts where;
        whereabouts_find(&why->compass, holder->address, &where);
        put_json(object, "module", module_json(records, where.module));
        if (where.has_variable) {
            put_json(object, "variable", variable_json(why, &where.variable, where.module));
            put_json(object, "offset", as_number(where.offset));
        }
        if (where.kind == WHERE_STACK) {
            put_json(object, "frame", where.function ? as_number(where.frame_number) : NULL);
            put_json(object, "function", as_maybe_text(where.function ? where.function->function : NULL));
        }
    }
    return object;
}

static json_t *path_json(struct why *why)
{
    enum { MOST = 1000 };
    json_t *list = json_array();
    for (size_t i = 0; i < why->path.n && i < MOST; i++) {
        const struct path_step *step = &why->path.steps[i];
        json_t *object = json_object();
        put_json(object, "from", holder_json(why, &step->from));
        put_json(object, "to", block_json(why, step->to.address, &step->to.record, false));
        put_json(object, "offset", as_number(step->offset));
        put_json(object, "excused", json_boolean(step->excused));
        json_array_append_new(list, object);
    }
    return list;
}

static void put_leak(struct why *why, json_t *root)
{
    if (!why->has_leak) {
        put_json(root, "leak", NULL);
        return;
    }
    json_t *leak = json_object(), *list = json_array(), *pointers = json_object();
    put_json(leak, "kind", json_string(leak_kind_names[why->leak.kind]));
    put_json(leak, "stack_only", json_boolean(why->leak.stack_only));
    put_json(leak, "leader", why->leak.leader ? as_address(why->leak.leader) : NULL);
    put_json(leak, "retained", why->retained.blocks ? as_total(why->retained.bytes, why->retained.blocks) : NULL);
    put_json(root, "leak", leak);
    put_json(root, "path", path_json(why));
    put_json(root, "path_length", as_number(why->path.n));
    put_json(pointers, "count", as_number(why->all_holders));
    for (size_t i = 0; i < why->n_holders; i++)
        json_array_append_new(list, holder_json(why, &why->holders[i]));
    put_json(pointers, "list", list);
    put_json(root, "pointers", pointers);
}

static json_t *neighbour_json(struct why *why, const struct walked *block)
{
    return block->address ? block_json(why, block->address, &block->block, false) : json_null();
}

static void put_heap(struct why *why, json_t *root)
{
    static const char *const besides[] = {"inside", "before", "behind"};
    const struct whereabouts *where = &why->where;
    json_t *history = json_array();
    if (where->kind == WHERE_BLOCK) {
        put_json(root, "position", json_string(besides[where->beside]));
        put_json(root, "offset", json_integer((json_int_t)(where->address - where->block.address)));
        put_json(root, "block", block_json(why, where->block.address, &where->block.block, true));
        put_json(root, "age", as_number(why->age));
        put_json(root, "contents", bytes_json(why->witnesses.contents, why->witnesses.n_contents));
        put_json(root, "witnesses", witnesses_json(&why->witnesses));
        put_leak(why, root);
    }
    put_json(root, "before", neighbour_json(why, &where->before));
    put_json(root, "behind", neighbour_json(why, &where->after));
    for (size_t i = 0; i < where->n_history; i++)
        json_array_append_new(history, block_json(why, where->history[i].address, &where->history[i].block, true));
    put_json(root, "history", history);
}

void why_json(struct why *why, FILE *out)
{
    const struct whereabouts *where = &why->where;
    const struct records *records = why->opened->records;
    json_t *root = json_object();
    put_json(root, "schema", json_string("midden-why/1"));
    put_json(root, "image", opened_json(why->opened));
    put_json(root, "question", as_text(why->question));
    put_json(root, "address", as_address(where->address));
    put_json(root, "kind", json_string(kind_names[where->kind]));
    if (why->has_variable)
        put_json(root, "asked", variable_json(why, &why->variable, why->variable_module));
    if (where->kind == WHERE_BLOCK || where->kind == WHERE_HEAP)
        put_heap(why, root);
    if (where->kind == WHERE_CODE || where->kind == WHERE_DATA) {
        put_json(root, "module", module_json(records, where->module));
        put_json(root, "offset", as_number(where->offset));
        put_json(root, "variable", where->has_variable ? variable_json(why, &where->variable, where->module) : NULL);
        put_json(root, "function", as_maybe_text(where->frame ? where->frame->function : NULL));
    }
    if (where->kind == WHERE_STACK || where->kind == WHERE_TLS) {
        put_json(root, "thread", thread_json(records, where->thread));
        put_json(root, "frame", where->function ? as_number(where->frame_number) : NULL);
        put_json(root, "function", as_maybe_text(where->function ? where->function->function : NULL));
        put_json(root, "below", json_boolean(where->below));
    }
    if (where->mapping && where->kind != WHERE_BLOCK && where->kind != WHERE_HEAP) {
        json_t *mapping = json_object();
        put_json(mapping, "start", as_address(where->mapping->start));
        put_json(mapping, "end", as_address(where->mapping->end));
        put_json(mapping, "path", as_text(where->mapping->path));
        put_json(root, "mapping", mapping);
    }
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}
