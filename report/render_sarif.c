/* The report as SARIF 2.1.0, as GitHub's code scanning and other services take it.
 *
 *   rules         every kind of finding and of leak, whether it occurs or not
 *   results       a finding or leak record each: rule, level, sentence, the place in the repository, the stack as a code flow (from main
 *                 to the place), where the block was allocated and freed as related locations, a fingerprint that survives moved lines
 *   invocations   the command, how it ended, and what the report does not cover
 *
 * Files below the root of the repository are relative to %SRCROOT%. A finding without any source line points to the module. Limits of
 * the services are kept: results, and places in one result; what is left out is told. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checkout.h"
#include "json_parts.h"
#include "page.h"
#include "render.h"
#include "valgrind.h"

enum { MOST_RESULTS = 25000, MOST_PLACES = 500 };

static const struct { const char *id, *severity, *text; } finding_rules[] = {
    {"", "", ""},
#define K(id, name, severity, text) {name, #severity, text},
#include "format/kinds.def"
#undef K
};

static const struct { const char *id, *level, *text; } leak_rules[LEAK_KINDS] = {
    [LEAK_DEFINITE] = {"leak-definite", "error", "Heap blocks were lost: no pointer to them was left when the program ended."},
    [LEAK_INDIRECT] = {"leak-indirect", "note", "Heap blocks were lost with others that alone led to them."},
    [LEAK_POSSIBLE] = {"leak-possible", "warning", "Heap blocks were left to which only pointers into their middle led."},
    [LEAK_REACHABLE] = {"leak-reachable", "note", "Heap blocks were still in reach when the program ended, and were not freed."},
};

struct sarif {
    const struct model *model;
    char *root;
    size_t left_out;
    json_t *seen;               /* fingerprint → how many results have it */
};

static json_t *text_object(const char *text)
{
    json_t *object = json_object();
    put_json(object, "text", as_text(text));
    return object;
}

static const char *level_of(const char *severity)
{
    return strcasecmp(severity, "ERROR") == 0 ? "error" : strcasecmp(severity, "WARNING") == 0 ? "warning" : "note";
}

/* ---- rules ---- */

static json_t *rule_of(const char *id, const char *level, const char *text, bool leak)
{
    json_t *rule = json_object(), *configuration = json_object(), *properties = json_object(), *tags = json_array();
    char *help = NULL;
    put_json(rule, "id", json_string(id));
    put_json(rule, "shortDescription", text_object(text));
    put_json(rule, "fullDescription", text_object(text));
    if (asprintf(&help, "%s The report's stack and related places say where; `midden run` on the program shows it again.", text) < 0)
        help = NULL;
    put_json(rule, "help", text_object(help ? help : text));
    free(help);
    put_json(configuration, "level", json_string(level));
    put_json(rule, "defaultConfiguration", configuration);
    json_array_append_new(tags, json_string("memory"));
    json_array_append_new(tags, json_string(leak ? "leak" : "security"));
    put_json(properties, "tags", tags);
    put_json(properties, "precision", json_string("very-high"));
    if (!leak)
        put_json(properties, "security-severity", json_string(strcmp(level, "error") == 0 ? "8.0" : "4.0"));
    put_json(rule, "properties", properties);
    return rule;
}

static json_t *driver_of(void)
{
    json_t *driver = json_object(), *rules = json_array();
    put_json(driver, "name", json_string("midden"));
    put_json(driver, "version", json_string(MIDDEN_VERSION));
    put_json(driver, "semanticVersion", json_string(MIDDEN_VERSION));
    for (int i = 1; i < RECORD_KINDS; i++)
        json_array_append_new(rules, rule_of(finding_rules[i].id, level_of(finding_rules[i].severity), finding_rules[i].text, false));
    for (int i = 0; i < LEAK_KINDS; i++)
        json_array_append_new(rules, rule_of(leak_rules[i].id, leak_rules[i].level, leak_rules[i].text, true));
    put_json(driver, "rules", rules);
    return driver;
}

/* ---- places ---- */

/* A path as the path of a URI: bytes that have a meaning there, and those that are no plain ASCII, are written %XX. */
static json_t *uri_of(const char *start, const char *path)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return json_null();
    fputs(start, out);
    for (; *path; path++)
        if (isalnum((unsigned char)*path) || strchr("/-._~+@,=", *path))
            fputc(*path, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*path);
    fclose(out);
    json_t *value = json_string(text);
    free(text);
    return value ? value : json_null();
}

static json_t *artifact_of(const struct sarif *sarif, const char *path)
{
    json_t *artifact = json_object();
    const char *relative = checkout_relative(sarif->root, path);
    put_json(artifact, "uri", uri_of(relative || path[0] != '/' ? "" : "file://", relative ? relative : path));
    if (relative)
        put_json(artifact, "uriBaseId", json_string("%SRCROOT%"));
    return artifact;
}

/* frame NULL: nowhere. */
static json_t *place_of(const struct sarif *sarif, const struct frame *frame, const char *message)
{
    json_t *place = json_object(), *physical = json_object(), *region = json_object();
    const char *file = frame && frame->file && frame->line ? frame->file : frame && frame->module ? frame->module : NULL;
    unsigned line = frame && frame->file && frame->line ? frame->line : 1;
    unsigned column = frame && frame->file && frame->line && frame->column ? frame->column : 1;
    put_json(physical, "artifactLocation", artifact_of(sarif, file ? file : sarif->model->argc ? sarif->model->argv[0] : "unknown"));
    put_json(region, "startLine", json_integer(line));
    put_json(region, "startColumn", json_integer(column));
    put_json(region, "endLine", json_integer(line));
    put_json(region, "endColumn", json_integer(column + 1));
    put_json(physical, "region", region);
    put_json(place, "physicalLocation", physical);
    if (frame && frame->function) {
        json_t *logical = json_array(), *function = json_object();
        put_json(function, "fullyQualifiedName", as_text(frame->function));
        put_json(function, "kind", json_string("function"));
        json_array_append_new(logical, function);
        put_json(place, "logicalLocations", logical);
    }
    if (message)
        put_json(place, "message", text_object(message));
    return place;
}

/* From the outermost frame to the innermost, as the program went. */
static json_t *flow_of(const struct sarif *sarif, const struct stack *stack)
{
    json_t *flows = json_array(), *flow = json_object(), *threads = json_array(), *thread = json_object(), *list = json_array();
    size_t depth = valgrind_depth(stack, &valgrind_style_default), n = depth > MOST_PLACES ? MOST_PLACES : depth;
    for (size_t i = n; i > 0; i--) {
        const struct frame *frame = stack->frames[i - 1];
        json_t *step = json_object();
        put_json(step, "location", place_of(sarif, frame, frame->function ? frame->function : "?"));
        json_array_append_new(list, step);
    }
    put_json(thread, "locations", list);
    json_array_append_new(threads, thread);
    put_json(flow, "threadFlows", threads);
    json_array_append_new(flows, flow);
    return flows;
}

/* ---- results ---- */

static void put_origin(const struct sarif *sarif, json_t *related, const char *message, const struct stack *stack)
{
    if (!stack->n)
        return;
    json_t *place = place_of(sarif, checkout_frame(sarif->root, stack), message);
    put_json(place, "id", json_integer((json_int_t)json_array_size(related) + 1));
    json_array_append_new(related, place);
}

static json_t *result_of(const struct sarif *sarif, size_t rule, const char *id, const char *level, const char *message,
                         const struct stack *stack, uint64_t fingerprint, bool known)
{
    json_t *result = json_object(), *places = json_array(), *prints = json_object();
    const struct frame *frame = checkout_frame(sarif->root, stack);
    char key[24];
    put_json(result, "ruleId", json_string(id));
    if (rule < (size_t)(RECORD_KINDS - 1) + LEAK_KINDS)
        put_json(result, "ruleIndex", json_integer((json_int_t)rule));
    put_json(result, "level", json_string(level));
    put_json(result, "message", text_object(message));
    json_array_append_new(places, place_of(sarif, frame ? frame : frames_guilty(stack), NULL));
    put_json(result, "locations", places);
    snprintf(key, sizeof key, "%016llx", (unsigned long long)fingerprint);
    json_int_t number = json_integer_value(json_object_get(sarif->seen, key)) + 1;
    put_json(sarif->seen, key, json_integer(number));
    put_json(prints, "primaryLocationLineHash", json_sprintf("%s:%lld", key, (long long)number));
    put_json(prints, "middenFingerprint/v1", as_hash(fingerprint));
    put_json(result, "partialFingerprints", prints);
    if (known)
        put_json(result, "baselineState", json_string("unchanged"));
    if (stack->n)
        put_json(result, "codeFlows", flow_of(sarif, stack));
    return result;
}

static json_t *error_result(const struct sarif *sarif, const struct model_error *error)
{
    const struct model_block *block = error->block;
    const struct stack *stack = error->stack.n || !block ? &error->stack : &block->alloc_stack;
    json_t *result = result_of(sarif, (size_t)error->kind - 1, error->kind_name, level_of(error->severity_name), error->message, stack,
                               error->fingerprint, error->baseline), *related = json_array();
    if (block)
        put_origin(sarif, related, "the block was allocated here", &block->alloc_stack);
    if (block && block->freed)
        put_origin(sarif, related, "the block was freed here", &block->free_stack);
    put_json(result, "relatedLocations", related);
    put_json(result, "occurrenceCount", json_integer(error->count));
    return result;
}

static json_t *leak_result(const struct sarif *sarif, const struct model_leak *leak)
{
    const struct leak_record *raw = &leak->raw;
    static const char *const lost_as[LEAK_KINDS] = {"definitely lost", "indirectly lost", "possibly lost", "still reachable"};
    char more[PAGE_AMOUNT + 64] = "", amount[PAGE_AMOUNT], *message = NULL;
    if (raw->indirect_blocks)
        snprintf(more, sizeof more, ", and with them %s that only they lead to", page_amount(amount, raw->indirect_bytes, raw->indirect_blocks));
    if (asprintf(&message, "%s: %s allocated here%s", lost_as[raw->kind], page_amount(amount, raw->bytes, raw->blocks), more) < 0)
        message = NULL;
    json_t *result = result_of(sarif, (size_t)(RECORD_KINDS - 1) + (size_t)raw->kind, leak_rules[raw->kind].id, leak_rules[raw->kind].level,
                               message ? message : lost_as[raw->kind], &leak->stack, leak->fingerprint, leak->baseline);
    free(message);
    return result;
}

static json_t *results_of(struct sarif *sarif)
{
    const struct model *model = sarif->model;
    json_t *results = json_array();
    for (size_t i = 0; i < model->n_errors; i++) {
        if (model->errors[i].suppressed)
            continue;
        if (json_array_size(results) < MOST_RESULTS)
            json_array_append_new(results, error_result(sarif, &model->errors[i]));
        else
            sarif->left_out++;
    }
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (!leak->listed || leak->suppressed)
            continue;
        if (json_array_size(results) < MOST_RESULTS)
            json_array_append_new(results, leak_result(sarif, leak));
        else
            sarif->left_out++;
    }
    return results;
}

/* ---- the run ---- */

static json_t *notification(const char *text, const char *level)
{
    json_t *object = json_object();
    put_json(object, "level", json_string(level));
    put_json(object, "message", text_object(text));
    return object;
}

static json_t *invocation_of(const struct sarif *sarif)
{
    const struct model *model = sarif->model;
    json_t *list = json_array(), *object = json_object(), *arguments = json_array(), *notes = json_array(), *directory = json_object();
    for (size_t i = 0; i < model->argc; i++)
        json_array_append_new(arguments, as_text(model->argv[i]));
    put_json(object, "arguments", arguments);
    put_json(object, "executionSuccessful", json_true());
    put_json(object, "processId", json_integer(model->pid));
    put_json(object, "exitCode", json_integer(model->exitcode));
    if (model->exit == MODEL_EXIT_SIGNAL)
        put_json(object, "exitSignalNumber", json_integer(model->exit_value));
    put_json(directory, "uri", uri_of("file://", sarif->root));
    put_json(object, "workingDirectory", directory);
    for (size_t i = 0; i < model->n_coverage; i++)
        json_array_append_new(notes, notification(model->coverage[i], "note"));
    if (sarif->left_out)
        json_array_append_new(notes, notification("There were more results than readers take; the rest is left out.", "warning"));
    put_json(object, "toolExecutionNotifications", notes);
    json_array_append_new(list, object);
    return list;
}

static json_t *run_of(struct sarif *sarif)
{
    const struct model *model = sarif->model;
    json_t *run = json_object(), *tool = json_object(), *bases = json_object(), *base = json_object(), *details = json_object();
    char *root = NULL, *category = NULL;
    put_json(tool, "driver", driver_of());
    put_json(run, "tool", tool);
    if (asprintf(&root, "%s/", sarif->root) < 0)
        root = NULL;
    put_json(base, "uri", uri_of("file://", root ? root : ""));
    put_json(bases, "%SRCROOT%", base);
    put_json(run, "originalUriBaseIds", bases);
    if (asprintf(&category, "midden/%s/", model->argc ? frames_basename(model->argv[0]) : "program") < 0)
        category = NULL;
    put_json(details, "id", as_text(category ? category : "midden/"));
    put_json(run, "automationDetails", details);
    put_json(run, "columnKind", json_string("utf16CodeUnits"));
    put_json(run, "results", results_of(sarif));
    put_json(run, "invocations", invocation_of(sarif));
    free(category);
    free(root);
    return run;
}

bool render_sarif(const struct model *model, FILE *out)
{
    struct sarif sarif = {.model = model, .root = checkout_root(), .seen = json_object()};
    json_t *document = json_object(), *runs = json_array();
    put_json(document, "$schema", json_string("https://json.schemastore.org/sarif-2.1.0.json"));
    put_json(document, "version", json_string("2.1.0"));
    json_array_append_new(runs, run_of(&sarif));
    put_json(document, "runs", runs);
    bool written = json_dumpf(document, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(document);
    json_decref(sarif.seen);
    free(sarif.root);
    return written;
}
