/* The renderers on a made-up process: text against golden files, JSON against the keys of midden-report/1.
 *
 * RECORD=1 in the environment writes the golden files anew (tests/unit/golden/). */
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_story.h"
#include "report/model.h"
#include "report/render.h"
#include "report/valgrind.h"
#include "unit.h"

static void slurp(const char *path, char *text, size_t room)
{
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, room - 1, file) : 0;
    text[n] = '\0';
    if (file)
        fclose(file);
}

static void compare(const char *name, const char *text)
{
    static char wanted[1 << 18];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
    if (getenv("RECORD")) {
        FILE *file = fopen(path, "w");
        CHECK(file && fputs(text, file) >= 0, "%s", path);
        if (file)
            fclose(file);
        return;
    }
    slurp(path, wanted, sizeof wanted);
    size_t line = 1;
    const char *got = text, *want = wanted;
    for (; *got && *got == *want; got++, want++)
        line += *got == '\n';
    CHECK(*got == *want, "%s differs in line %zu: have \"%.60s\", want \"%.60s\"", name, line, got, want);
}

/* No byte that a terminal would act on. */
static void check_harmless(const char *text)
{
    for (const char *at = text; *at; at++)
        CHECK((unsigned char)*at >= 0x20 || *at == '\n', "byte %02x in: %.40s", (unsigned char)*at, at);
}

static json_t *at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    CHECK(value, "no key %s", key);
    return value;
}

static void check_frames(json_t *stack)
{
    static const char *const keys[] = {"pc", "module", "offset", "function", "file", "line", "inlined"};
    size_t i;
    json_t *frame;
    CHECK(json_is_array(stack), "no stack");
    json_array_foreach(stack, i, frame)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            at(frame, keys[k]);
}

static void check_json(const struct model *model)
{
    char *text = NULL;
    size_t n = 0, i;
    json_error_t why;
    FILE *out = open_memstream(&text, &n);
    CHECK(render_json(model, out), "render_json");
    fclose(out);
    json_t *root = json_loads(text, 0, &why), *error, *record;
    CHECK(root, "%s", why.text);
    free(text);
    CHECK(strcmp(json_string_value(at(root, "schema")), "midden-report/1") == 0, "schema");
    at(at(root, "tool"), "version");
    at(root, "generation");
    json_t *end = at(at(root, "process"), "exit");
    CHECK(json_integer_value(at(end, "signal")) == 11, "signal");
    check_frames(at(end, "stack"));
    CHECK(json_array_size(at(at(root, "process"), "argv")) == 3, "argv");
    CHECK(json_is_true(at(at(root, "verdict"), "gating")), "gating");
    CHECK(json_integer_value(at(at(root, "verdict"), "exitcode")) == 139, "exitcode");
    CHECK(json_array_size(at(root, "errors")) == model->n_errors, "errors");
    json_array_foreach(at(root, "errors"), i, error) {
        static const char *const keys[] = {"kind", "severity", "access", "address", "offset", "size", "call_size", "count", "detected",
                                           "message", "thread", "block", "fingerprint", "baseline"};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            at(error, keys[k]);
        check_frames(at(error, "stack"));
        json_t *block = at(error, "block");
        if (json_is_object(block)) {
            check_frames(at(at(block, "alloc"), "stack"));
            CHECK(strlen(json_string_value(at(block, "site"))) == 16, "site");
        }
    }
    json_t *leaks = at(root, "leaks");
    static const struct { const char *kind; int bytes, blocks; } totals[] = {
        {"definite", 5032, 2}, {"indirect", 40, 2}, {"possible", 40, 1}, {"reachable", 48, 1}, {"suppressed", 0, 0}};
    for (size_t k = 0; k < sizeof totals / sizeof *totals; k++) {
        json_t *total = at(leaks, totals[k].kind);
        CHECK(json_integer_value(at(total, "bytes")) == totals[k].bytes, "%s bytes", totals[k].kind);
        CHECK(json_integer_value(at(total, "blocks")) == totals[k].blocks, "%s blocks", totals[k].kind);
    }
    json_int_t before = INT64_MAX;
    json_array_foreach(at(leaks, "records"), i, record) {
        json_int_t lost = json_integer_value(at(record, "bytes")) + json_integer_value(at(record, "indirect_bytes"));
        CHECK(lost <= before, "largest first");
        before = lost;
        check_frames(at(record, "stack"));
        at(record, "fingerprint");
    }
    CHECK(json_integer_value(at(at(root, "heap"), "live_blocks")) == 15, "live blocks");
    CHECK(json_array_size(at(root, "threads")) == 2, "threads");
    json_decref(root);
}

/* Memcheck's forms of the same story: every error as it is told at once, then the end. */
static void check_valgrind(struct model *model)
{
    struct valgrind_style style = valgrind_style_default;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    model->options.gen_suppressions = false;
    for (size_t i = 0; i < model->n_errors; i++)
        render_valgrind_error(model, &model->errors[i], &style, out);
    render_valgrind_text(model, &style, out);
    fclose(out);
    compare("valgrind.txt", text);
    check_harmless(text);
    free(text);

    model->options.gen_suppressions = true;
    model->records->anchor.start_time = 0;      /* nothing elapsed */
    out = open_memstream(&text, &n);
    CHECK(render_valgrind_xml(model, &style, out), "render_valgrind_xml");
    fclose(out);
    char *version = strstr(text, MIDDEN_VERSION);
    if (version)
        memset(version, '#', strlen(MIDDEN_VERSION));
    compare("valgrind.xml", text);
    free(text);
    model->options.gen_suppressions = false;
}

int main(void)
{
    struct error error = {""};
    struct fake *fake = fake_story();
    struct image *image = fake_open(fake);
    struct records *records = records_open(image, 0, &error);
    CHECK(records, "%s", error.text);
    if (!records)
        return unit_result("report_render");
    struct symbols *symbols = symbols_open();
    struct model_options options = {.show_leak_kinds = UINT64_MAX, .fail_on = 1 | 2 | 8, .error_exitcode = 23};
    struct model *model = model_new(records, symbols, &options);
    model->leaks->seconds = 0;

    struct render_options plain = render_defaults;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    render_text(model, &plain, out);
    fclose(out);
    compare("report.txt", text);
    check_harmless(text);
    free(text);

    plain.prefix_pid = true;
    out = open_memstream(&text, &n);
    render_text(model, &plain, out);
    fclose(out);
    for (char *line = text; *line; line = strchr(line, '\n') + 1)
        CHECK(strncmp(line, "==4242== ", 9) == 0, "prefix: %.30s", line);
    free(text);

    check_valgrind(model);
    check_json(model);
    struct model *one = model_new_finding(records, symbols, 1, &options);
    CHECK(one && one->n_errors == 1 && one->errors[0].fingerprint == model->errors[0].fingerprint, "one finding");
    CHECK(!model_new_finding(records, symbols, 99, &options), "no such finding");
    model_free(one);
    model_free(model);
    symbols_close(symbols);
    records_close(records);
    image_close(image);
    fake_free(fake);
    return unit_result("report_render");
}
