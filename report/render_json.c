/* The report as JSON, schema midden-report/1. Keys are stable; new ones may be added.
 *
 * Addresses and hashes are strings ("0x…", 16 hexadecimal digits): JSON numbers are doubles to many readers. Text from the program
 * that is no UTF-8 has each odd byte written as \xNN. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "render.h"

static void put(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value ? value : json_null());
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);      /* NULL when it is no UTF-8 */
    if (value)
        return value;
    char *fixed = NULL;
    size_t room = 0;
    FILE *out = open_memstream(&fixed, &room);
    if (!out)
        return json_null();
    for (size_t n = strlen(text), length; n; text += length, n -= length) {
        uint32_t point;
        length = escape_utf8(text, n, &point);
        if (length) {
            fwrite(text, 1, length, out);
        } else {
            length = 1;
            fprintf(out, "\\x%02x", (unsigned char)*text);
        }
    }
    fclose(out);
    value = json_string(fixed);
    free(fixed);
    return value ? value : json_null();
}

static json_t *maybe_text(const char *text)
{
    return text ? text_of(text) : json_null();
}

static json_t *address_of(uint64_t address)
{
    return json_sprintf("0x%llx", (unsigned long long)address);
}

static json_t *hash_of(uint64_t hash)
{
    return json_sprintf("%016llx", (unsigned long long)hash);
}

static json_t *known(uint64_t value)
{
    return value == RECORD_UNKNOWN ? json_null() : number(value);
}

static json_t *stack_of(const struct stack *stack)
{
    json_t *list = json_array();
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        json_t *object = json_object();
        put(object, "pc", address_of(frame->pc));
        put(object, "module", maybe_text(frame->module));
        put(object, "offset", address_of(frame->offset));
        put(object, "function", maybe_text(frame->function));
        put(object, "file", maybe_text(frame->file));
        put(object, "line", frame->line ? json_integer(frame->line) : json_null());
        put(object, "inlined", json_boolean(frame->inlined));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *thread_of(const struct model_thread *thread)
{
    if (!thread)
        return json_null();
    json_t *object = json_object();
    put(object, "id", json_integer(thread->id));
    put(object, "tid", json_integer(thread->tid));
    put(object, "name", text_of(thread->name));
    return object;
}

static json_t *stack_and_thread(const struct stack *stack, const struct model_thread *thread)
{
    json_t *object = json_object();
    put(object, "stack", stack_of(stack));
    put(object, "thread", thread_of(thread));
    return object;
}

static json_t *block_of(const struct model_block *block)
{
    if (!block)
        return json_null();
    json_t *object = json_object();
    put(object, "address", address_of(block->address));
    put(object, "size", number(block->size));
    put(object, "state", text_of(block->state));
    put(object, "allocator", text_of(block->allocator));
    put(object, "site", hash_of(block->site));
    put(object, "alloc", stack_and_thread(&block->alloc_stack, block->alloc_thread));
    put(object, "free", block->freed ? stack_and_thread(&block->free_stack, block->free_thread) : json_null());
    return object;
}

static json_t *damage_of(const struct record_finding *raw)
{
    char hex[2 * RECORD_DAMAGE_BYTES + 1] = "";
    if (!raw->damage_bytes)
        return json_null();
    for (uint32_t i = 0; i < raw->damage_bytes && i < RECORD_DAMAGE_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", raw->damage[i]);
    json_t *object = json_object();
    put(object, "address", address_of(raw->damage_address));
    put(object, "bytes", json_string(hex));
    put(object, "expected", raw->expected_word ? json_sprintf("%016llx", (unsigned long long)raw->expected_word)
                                               : json_sprintf("%02x", raw->expected));
    return object;
}

static json_t *error_of(const struct model_error *error)
{
    json_t *object = json_object();
    put(object, "kind", json_string(error->kind_name));
    put(object, "severity", json_string(error->severity_name));
    put(object, "access", json_string(error->access_name));
    put(object, "address", address_of(error->address));
    put(object, "offset", error->block ? json_integer(error->offset) : json_null());
    put(object, "size", known(error->size));
    put(object, "call_size", known(error->call_size));
    put(object, "call", maybe_text(error->call_name));
    put(object, "count", json_integer(error->count));
    put(object, "detected", json_string(error->detected_name));
    put(object, "message", text_of(error->message));
    put(object, "stack", stack_of(&error->stack));
    put(object, "thread", thread_of(error->thread));
    put(object, "block", block_of(error->block));
    put(object, "damage", damage_of(&error->raw));
    put(object, "fingerprint", hash_of(error->fingerprint));
    put(object, "baseline", json_boolean(error->baseline));
    return object;
}

static json_t *total_of(uint64_t bytes, uint64_t blocks)
{
    json_t *object = json_object();
    put(object, "bytes", number(bytes));
    put(object, "blocks", number(blocks));
    return object;
}

static json_t *leaks_of(const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    if (!leaks)
        return json_null();
    json_t *object = json_object(), *list = json_array();
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        put(object, leak_kind_names[kind], total_of(leaks->totals[kind].bytes, leaks->totals[kind].blocks));
    put(object, "suppressed", total_of(model->suppressed_leaks.bytes + leaks->ignored.bytes,
                                       model->suppressed_leaks.blocks + leaks->ignored.blocks));
    put(object, "inherited", total_of(leaks->inherited.bytes, leaks->inherited.blocks));
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (!leak->listed || leak->suppressed)
            continue;
        json_t *record = json_object();
        put(record, "kind", json_string(leak_kind_names[leak->raw.kind]));
        put(record, "bytes", number(leak->raw.bytes));
        put(record, "blocks", number(leak->raw.blocks));
        put(record, "indirect_bytes", number(leak->raw.indirect_bytes));
        put(record, "indirect_blocks", number(leak->raw.indirect_blocks));
        put(record, "example", address_of(leak->raw.example));
        put(record, "stack", stack_of(&leak->stack));
        put(record, "site", hash_of(leak->site));
        put(record, "fingerprint", hash_of(leak->fingerprint));
        put(record, "baseline", json_boolean(leak->baseline));
        json_array_append_new(list, record);
    }
    put(object, "records", list);
    return object;
}

static json_t *engines_of(const struct records *records)
{
    static const char *const names[RECORD_ENGINES] = {"none", "slab", "freelist", "buddy", "huge", "guarded"};
    json_t *object = json_object();
    for (int i = 1; i < RECORD_ENGINES; i++) {
        const struct record_engine_stats *stats = &records->engines[i];
        json_t *engine = json_object();
        put(engine, "mapped", number(stats->mapped));
        put(engine, "requested", number(stats->requested));
        put(engine, "occupied", number(stats->occupied));
        put(engine, "free_bytes", number(stats->free_bytes));
        put(engine, "largest_free", number(stats->largest_free));
        put(engine, "blocks", number(stats->blocks));
        put(engine, "internal_fragmentation", json_real(model_inner_fragmentation(stats)));
        put(engine, "external_fragmentation", json_real(model_outer_fragmentation(stats)));
        put(object, names[i], engine);
    }
    return object;
}

static json_t *heap_of(const struct model *model)
{
    const struct record_anchor *anchor = &model->records->anchor;
    json_t *object = json_object();
    put(object, "allocations", number(model->allocations));
    put(object, "frees", number(model->frees));
    put(object, "allocated_bytes", number(model->allocated_bytes));
    put(object, "freed_bytes", number(model->freed_bytes));
    put(object, "peak_bytes", number(model->peak_bytes));
    put(object, "live_bytes", number(model->live_bytes));
    put(object, "live_blocks", number(model->live_blocks));
    put(object, "unrecorded_bytes", number(anchor->unrecorded_bytes));
    put(object, "unrecorded_blocks", number(anchor->unrecorded_blocks));
    put(object, "quarantine_bytes", number(anchor->quarantine_bytes));
    put(object, "quarantine_blocks", number(anchor->quarantine_blocks));
    put(object, "own_bytes", number(anchor->own_bytes));
    put(object, "engines", engines_of(model->records));
    return object;
}

static json_t *process_of(const struct model *model)
{
    json_t *object = json_object(), *argv = json_array();
    for (size_t i = 0; i < model->argc; i++)
        json_array_append_new(argv, text_of(model->argv[i]));
    put(object, "pid", json_integer(model->pid));
    put(object, "parent_pid", json_integer(model->parent_pid));
    put(object, "image", json_integer(model->image));
    put(object, "argv", argv);
    json_t *end = NULL;
    if (model->exit == MODEL_EXIT_CODE) {
        end = json_object();
        put(end, "code", json_integer(model->exit_value));
    } else if (model->exit == MODEL_EXIT_SIGNAL) {
        end = json_object();
        put(end, "signal", json_integer(model->exit_value));
        put(end, "stack", stack_of(&model->exit_stack));
    }
    put(object, "exit", end);
    return object;
}

static json_t *threads_of(const struct model *model)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->n_threads; i++) {
        json_t *object = thread_of(&model->threads[i]);
        put(object, "state", json_string(model->threads[i].state));
        put(object, "creator", model->threads[i].creator ? json_integer(model->threads[i].creator) : json_null());
        put(object, "created", stack_of(&model->threads[i].created));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *coverage_of(const struct model *model)
{
    json_t *object = json_object(), *notes = json_array();
    for (size_t i = 0; i < model->n_coverage; i++)
        json_array_append_new(notes, text_of(model->coverage[i]));
    put(object, "notes", notes);
    const struct record_anchor *anchor = &model->records->anchor;
    if (anchor->watch_registers) {
        json_t *watchpoints = json_object();
        put(watchpoints, "registers", number(anchor->watch_registers));
        put(watchpoints, "moved", number(anchor->watch_settings));
        put(watchpoints, "hits", number(anchor->watch_hits));
        put(object, "watchpoints", watchpoints);
    }
    if (model->leaks) {
        put(object, "scanned_bytes", number(model->leaks->scanned_bytes));
        put(object, "root_bytes", number(model->leaks->root_bytes));
        put(object, "unreadable_bytes", number(model->leaks->unreadable_bytes));
        put(object, "pointers", number(model->leaks->pointers));
        put(object, "analysis_bytes", number(model->leaks->memory));
        put(object, "analysis_seconds", json_real(model->leaks->seconds));
        put(object, "unparked_threads", json_integer(model->leaks->unparked));
    }
    return object;
}

bool render_json(const struct model *model, FILE *out)
{
    json_t *root = json_object(), *tool = json_object(), *verdict = json_object(), *errors = json_array();
    put(root, "schema", json_string("midden-report/1"));
    put(tool, "name", json_string("midden"));
    put(tool, "version", json_string(MIDDEN_VERSION));
    put(root, "tool", tool);
    put(root, "generation", json_integer(model->generation));
    put(root, "process", process_of(model));
    put(verdict, "gating", json_boolean(model->gating));
    put(verdict, "exitcode", json_integer(model->exitcode));
    put(root, "verdict", verdict);
    for (size_t i = 0; i < model->n_errors; i++)
        if (!model->errors[i].suppressed)
            json_array_append_new(errors, error_of(&model->errors[i]));
    put(root, "errors", errors);
    put(root, "leaks", leaks_of(model));
    put(root, "heap", heap_of(model));
    put(root, "threads", threads_of(model));
    put(root, "coverage", coverage_of(model));
    bool written = json_dumpf(root, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(root);
    return written;
}
