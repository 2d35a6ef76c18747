/* The report as JSON, schema midden-report/1. Keys are stable; new ones may be added. */
#include <stdlib.h>
#include <string.h>

#include "format/wire.h"
#include "baseline.h"
#include "json_parts.h"
#include "json_slots.h"
#include "render.h"

static json_t *stack_and_thread(const struct stack *stack, const struct model_thread *thread)
{
    json_t *object = json_object();
    put_json(object, "stack", as_stack(stack));
    put_json(object, "thread", as_thread(thread));
    return object;
}

static json_t *block_of(const struct model_block *block)
{
    if (!block)
        return json_null();
    json_t *object = json_object();
    put_json(object, "address", as_address(block->address));
    put_json(object, "size", as_number(block->size));
    put_json(object, "state", as_text(block->state));
    put_json(object, "allocator", as_text(block->allocator));
    put_json(object, "site", as_hash(block->site));
    put_json(object, "name", *block->name ? as_text(block->name) : json_null());
    put_json(object, "alloc", stack_and_thread(&block->alloc_stack, block->alloc_thread));
    put_json(object, "free", block->freed ? stack_and_thread(&block->free_stack, block->free_thread) : json_null());
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
    put_json(object, "address", as_address(raw->damage_address));
    put_json(object, "bytes", json_string(hex));
    put_json(object, "expected", raw->expected_word ? json_sprintf("%016llx", (unsigned long long)raw->expected_word)
                                               : json_sprintf("%02x", raw->expected));
    return object;
}

/* The rule that would suppress an entry, where it was asked for: of an error or of a leak; the other one is NULL. */
static void put_suppression(json_t *object, const struct model *model, const struct model_error *error, const struct model_leak *leak)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = model->options.gen_suppressions ? open_memstream(&text, &n) : NULL;
    if (!out)
        return;
    bool any = error ? render_error_suppression(error, out) : render_leak_suppression(leak, out);
    fclose(out);
    put_json(object, "suppression", any && text ? as_text(text) : json_null());
    free(text);
}

static json_t *error_of(const struct model *model, const struct model_error *error)
{
    json_t *object = json_object();
    put_json(object, "kind", json_string(error->kind_name));
    put_json(object, "severity", json_string(error->severity_name));
    put_json(object, "access", json_string(error->access_name));
    put_json(object, "address", as_address(error->address));
    put_json(object, "offset", error->block ? json_integer(error->offset) : json_null());
    put_json(object, "size", as_known(error->size));
    put_json(object, "call_size", error->raw.kind == RECORD_KIND_BAD_ALLOCATION_SIZE ? as_number(error->call_size) : as_known(error->call_size));
    put_json(object, "call", as_maybe_text(error->call_name));
    put_json(object, "count", json_integer(error->count));
    put_json(object, "detected", json_string(error->detected_name));
    put_json(object, "message", as_text(error->message));
    put_json(object, "stack", as_stack(&error->stack));
    put_json(object, "thread", as_thread(error->thread));
    put_json(object, "block", block_of(error->block));
    put_json(object, "damage", damage_of(&error->raw));
    put_json(object, "fingerprint", as_hash(error->fingerprint));
    put_json(object, "baseline", json_boolean(error->baseline));
    if (error->growth)
        put_json(object, "growth", as_text(error->growth));
    put_suppression(object, model, error, NULL);
    return object;
}

static json_t *leaks_of(const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    if (!leaks)
        return json_null();
    json_t *object = json_object(), *list = json_array();
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        put_json(object, leak_kind_names[kind], as_total(leaks->totals[kind].bytes, leaks->totals[kind].blocks));
    put_json(object, "suppressed", as_total(model->suppressed_leaks.bytes + leaks->ignored.bytes,
                                       model->suppressed_leaks.blocks + leaks->ignored.blocks));
    put_json(object, "stack_only", as_stack_only(model));
    put_json(object, "inherited", as_total(leaks->inherited.bytes, leaks->inherited.blocks));
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (!leak->listed || leak->suppressed)
            continue;
        json_t *record = json_object();
        put_json(record, "kind", json_string(leak_kind_names[leak->raw.kind]));
        put_json(record, "bytes", as_number(leak->raw.bytes));
        put_json(record, "blocks", as_number(leak->raw.blocks));
        put_json(record, "indirect_bytes", as_number(leak->raw.indirect_bytes));
        put_json(record, "indirect_blocks", as_number(leak->raw.indirect_blocks));
        put_json(record, "retained", leak->raw.retained.blocks ? as_total(leak->raw.retained.bytes, leak->raw.retained.blocks) : json_null());
        put_json(record, "cycles", as_cycles(&leak->raw.cycles));
        put_json(record, "stack_only", json_boolean(leak->raw.stack_only));
        put_json(record, "example", as_address(leak->raw.example));
        put_json(record, "name", *leak->name ? as_text(leak->name) : json_null());
        put_json(record, "stack", as_stack(&leak->stack));
        put_json(record, "site", as_hash(leak->site));
        put_json(record, "fingerprint", as_hash(leak->fingerprint));
        put_json(record, "baseline", json_boolean(leak->baseline));
        if (leak->growth)
            put_json(record, "growth", as_text(leak->growth));
        put_suppression(record, model, NULL, leak);
        json_array_append_new(list, record);
    }
    put_json(object, "records", list);
    return object;
}

static json_t *engines_of(const struct records *records)
{
    static const char *const names[RECORD_ENGINES] = {"none", "slab", "freelist", "buddy", "huge", "guarded"};
    json_t *object = json_object();
    for (int i = 1; i < RECORD_ENGINES; i++) {
        const struct record_engine_stats *stats = &records->engines[i];
        json_t *engine = json_object();
        put_json(engine, "mapped", as_number(stats->mapped));
        put_json(engine, "requested", as_number(stats->requested));
        put_json(engine, "occupied", as_number(stats->occupied));
        put_json(engine, "free_bytes", as_number(stats->free_bytes));
        put_json(engine, "largest_free", as_number(stats->largest_free));
        put_json(engine, "blocks", as_number(stats->blocks));
        put_json(engine, "internal_fragmentation", json_real(model_inner_fragmentation(stats)));
        put_json(engine, "external_fragmentation", json_real(model_outer_fragmentation(stats)));
        put_json(object, names[i], engine);
    }
    return object;
}

static json_t *heap_of(const struct model *model)
{
    const struct record_anchor *anchor = &model->records->anchor;
    json_t *object = json_object();
    put_json(object, "allocations", as_number(model->allocations));
    put_json(object, "frees", as_number(model->frees));
    put_json(object, "allocated_bytes", as_number(model->allocated_bytes));
    put_json(object, "freed_bytes", as_number(model->freed_bytes));
    put_json(object, "peak_bytes", as_number(model->peak_bytes));
    put_json(object, "live_bytes", as_number(model->live_bytes));
    put_json(object, "live_blocks", as_number(model->live_blocks));
    put_json(object, "unrecorded_bytes", as_number(anchor->unrecorded_bytes));
    put_json(object, "unrecorded_blocks", as_number(anchor->unrecorded_blocks));
    put_json(object, "quarantine_bytes", as_number(anchor->quarantine_bytes));
    put_json(object, "quarantine_blocks", as_number(anchor->quarantine_blocks));
    put_json(object, "held_briefly", as_number(model->held_briefly));
    put_json(object, "own_bytes", as_number(anchor->own_bytes));
    put_json(object, "engines", engines_of(model->records));
    return object;
}

static json_t *process_of(const struct model *model)
{
    json_t *object = json_object(), *argv = json_array();
    for (size_t i = 0; i < model->argc; i++)
        json_array_append_new(argv, as_text(model->argv[i]));
    put_json(object, "pid", json_integer(model->pid));
    put_json(object, "parent_pid", json_integer(model->parent_pid));
    put_json(object, "image", json_integer(model->image));
    put_json(object, "argv", argv);
    json_t *end = NULL;
    if (model->exit == MODEL_EXIT_CODE) {
        end = json_object();
        put_json(end, "code", json_integer(model->exit_value));
    } else if (model->exit == MODEL_EXIT_SIGNAL) {
        end = json_object();
        put_json(end, "signal", json_integer(model->exit_value));
        put_json(end, "stack", as_stack(&model->exit_stack));
    }
    put_json(object, "exit", end);
    return object;
}

static json_t *threads_of(const struct model *model)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->n_threads; i++) {
        json_t *object = as_thread(&model->threads[i]);
        put_json(object, "state", json_string(model->threads[i].state));
        put_json(object, "creator", model->threads[i].creator ? json_integer(model->threads[i].creator) : json_null());
        put_json(object, "created", as_stack(&model->threads[i].created));
        json_array_append_new(list, object);
    }
    return list;
}

/* How the image was taken; null: no snapshot was made. */
static json_t *snapshot_of(const struct model *model)
{
    static const char *const causes[WIRE_CAUSES] = {"none", "api", "request", "period", "crash", "error", "exit"};
    const struct image_snapshot *snapshot = &model->snapshot;
    if (!snapshot->sequence)
        return NULL;
    json_t *object = json_object();
    put_json(object, "sequence", json_integer(snapshot->sequence));
    put_json(object, "cause", json_string(causes[snapshot->cause < WIRE_CAUSES ? snapshot->cause : 0]));
    put_json(object, "frozen", json_boolean(snapshot->frozen));
    put_json(object, "pause_ns", snapshot->pause_ns ? as_number(snapshot->pause_ns) : NULL);
    put_json(object, "silent_threads", json_integer(snapshot->silent));
    put_json(object, "time_ns", model->taken ? as_number(model->taken) : NULL);
    return object;
}

static json_t *coverage_of(const struct model *model)
{
    json_t *object = json_object(), *notes = json_array();
    for (size_t i = 0; i < model->n_coverage; i++)
        json_array_append_new(notes, as_text(model->coverage[i]));
    put_json(object, "notes", notes);
    const struct record_anchor *anchor = &model->records->anchor;
    if (anchor->watch_registers) {
        json_t *watchpoints = json_object();
        put_json(watchpoints, "registers", as_number(anchor->watch_registers));
        put_json(watchpoints, "moved", as_number(anchor->watch_settings));
        put_json(watchpoints, "hits", as_number(anchor->watch_hits));
        put_json(object, "watchpoints", watchpoints);
    }
    if (model->leaks) {
        put_json(object, "scanned_bytes", as_number(model->leaks->scanned_bytes));
        put_json(object, "root_bytes", as_number(model->leaks->root_bytes));
        put_json(object, "unreadable_bytes", as_number(model->leaks->unreadable_bytes));
        put_json(object, "pointers", as_number(model->leaks->pointers));
        put_json(object, "analysis_bytes", as_number(model->leaks->memory));
        put_json(object, "analysis_seconds", json_real(model->leaks->seconds));
        put_json(object, "unparked_threads", json_integer(model->leaks->unparked));
    }
    return object;
}

/* The rules that suppressed something in this image. */
static json_t *suppressions_of(const struct model *model)
{
    struct model_rule_use *uses;
    size_t n = model_rules_used(model, &uses);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *object = as_total(uses[i].bytes, uses[i].blocks);
        put_json(object, "name", as_text(uses[i].rule->name));
        put_json(object, "file", as_text(uses[i].rule->file));
        put_json(object, "line", json_integer(uses[i].rule->line));
        put_json(object, "findings", as_number(uses[i].findings));
        json_array_append_new(list, object);
    }
    free(uses);
    return list;
}

static json_t *rule_of(const struct model_rule *rule)
{
    json_t *object = as_total(rule->bytes, rule->blocks);
    put_json(object, "name", as_text(rule->name));
    put_json(object, "file", as_text(rule->file));
    put_json(object, "line", json_integer(rule->line));
    put_json(object, "findings", as_number(rule->findings));
    return object;
}

/* What was in the baseline and in no process of the run. */
static json_t *gone_of(const struct baseline *baseline)
{
    json_t *list = json_array();
    for (size_t i = 0; i < baseline->n_known; i++) {
        const struct baseline_entry *entry = &baseline->known[i];
        if (!baseline_has_vanished(entry))
            continue;
        json_t *object = json_object();
        put_json(object, "kind", as_text(entry->kind));
        put_json(object, "function", as_maybe_text(entry->function));
        put_json(object, "fingerprint", as_hash(entry->fingerprint));
        json_array_append_new(list, object);
    }
    return list;
}

/* All processes of the run together. */
static json_t *run_of(const struct model_run *run)
{
    json_t *object = json_object(), *processes = json_array(), *used = json_array(), *unused = json_array();
    put_json(object, "processes", as_number(run->n_seen));
    put_json(object, "images", as_number(run->n_images));
    for (size_t i = 0; i < run->n; i++) {
        const struct model_process *process = &run->processes[i];
        json_t *one = json_object();
        put_json(one, "pid", json_integer(process->pid));
        put_json(one, "command", as_text(process->command));
        put_json(one, "errors", as_number(process->errors));
        put_json(one, "lost", as_total(process->leaked.bytes, process->leaked.blocks));
        put_json(one, "gating", json_boolean(process->gating));
        put_json(one, "running", json_boolean(process->running));
        json_array_append_new(processes, one);
    }
    put_json(object, "list", processes);
    for (size_t i = 0; i < run->n_used; i++)
        json_array_append_new(used, rule_of(run->used[i]));
    for (size_t i = 0; i < run->n_unused; i++)
        json_array_append_new(unused, rule_of(run->unused[i]));
    put_json(object, "suppressions_used", used);
    put_json(object, "suppressions_unused", unused);
    put_json(object, "baseline_gone", run->baseline ? gone_of(run->baseline) : json_array());
    return object;
}

bool render_json(const struct model *model, FILE *out)
{
    json_t *root = json_object(), *tool = json_object(), *verdict = json_object(), *errors = json_array();
    put_json(root, "schema", json_string("midden-report/1"));
    put_json(tool, "name", json_string("midden"));
    put_json(tool, "version", json_string(MIDDEN_VERSION));
    put_json(root, "tool", tool);
    put_json(root, "generation", json_integer(model->generation));
    put_json(root, "process", process_of(model));
    put_json(verdict, "gating", json_boolean(model->gating));
    put_json(verdict, "exitcode", json_integer(model->exitcode));
    put_json(root, "verdict", verdict);
    for (size_t i = 0; i < model->n_errors; i++)
        if (!model->errors[i].suppressed)
            json_array_append_new(errors, error_of(model, &model->errors[i]));
    put_json(root, "errors", errors);
    put_json(root, "leaks", leaks_of(model));
    put_json(root, "suppressions", suppressions_of(model));
    if (model->run)
        put_json(root, "run", run_of(model->run));
    put_json(root, "heap", heap_of(model));
    put_json(root, "threads", threads_of(model));
    put_json(root, "coverage", coverage_of(model));
    put_json(root, "snapshot", snapshot_of(model));
    bool written = json_dumpf(root, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(root);
    return written;
}
