/* `report` and `leaks`: image → records → model → suppressions → text and JSON.
 *
 * The verdict in text and colour is that of `run`'s defaults (errors, definite and possible leaks), so that what was found is never
 * called clean; the exit status depends on --fail-on alone, which is empty unless given. */
#include "judged.h"

#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "progress.h"
#include "say.h"
#include "settings.h"
#include "suppressions.h"

static uint64_t default_gate(void)
{
    uint64_t bits = 0;
    const char *text = option_rows[OPTION_FAIL_ON].fallback;
    option_value(OPTION_FAIL_ON, text, strlen(text), &bits);
    return bits;
}

static struct model *analyse(const struct opened *opened, const struct arguments *arguments, struct suppressions *suppressions, unsigned parts)
{
    struct progress progress;
    struct model_options options = {
        .leak_check = parts & RENDER_LEAKS ? SETTINGS_LEAKS_FULL : SETTINGS_LEAKS_NO,
        .show_leak_kinds = arguments->meaning[ARGUMENT_SHOW_LEAK_KINDS],
        .fail_on = arguments->meaning[ARGUMENT_FAIL_ON] ? arguments->meaning[ARGUMENT_FAIL_ON] : default_gate(),
        .live = opened_is_live(opened), .progress = progress_show, .ctx = &progress,
        .excuse = suppressions ? suppressions_excuse : NULL, .excuse_ctx = suppressions,
        .gen_suppressions = arguments->meaning[ARGUMENT_GEN_SUPPRESSIONS], .max_leaked = arguments->meaning[ARGUMENT_MAX_LEAKED],
    };
    if (!(parts & RENDER_ERRORS))
        options.fail_on &= ~(uint64_t)SETTINGS_FAIL_ERRORS;
    progress_begin(&progress, "looking for leaks");
    struct model *model = model_new(opened->records, opened->symbols, &options);
    progress_end(&progress);
    model->options.progress = NULL;
    return model;
}

static char *title_of(const struct opened *opened, const char *title)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = need(open_memstream(&text, &n));
    fprintf(out, "%s of ", title);
    opened_title(opened, out);
    fclose(out);
    return need(text);
}

int judged_show(const struct arguments *arguments, const char *title, unsigned parts)
{
    struct suppressions *suppressions = NULL;
    const struct argument_list *files = &arguments->lists[ARGUMENT_SUPPRESSIONS];
    struct opened opened;
    struct sheet sheet;
    if (files->n && !(suppressions = suppressions_read((char *const *)(uintptr_t)files->items, files->n)))
        return STATUS_USAGE;
    struct baseline *baseline = NULL;
    const struct argument_list *known = &arguments->lists[ARGUMENT_BASELINE];
    if (known->n && !(baseline = baseline_read((char *const *)(uintptr_t)known->items, known->n, arguments->given[ARGUMENT_BASELINE_GROWTH],
                                               arguments->meaning[ARGUMENT_BASELINE_GROWTH]))) {
        suppressions_free(suppressions);
        return STATUS_USAGE;
    }
    struct symbols *symbols = symbols_open();
    int status = STATUS_UNUSABLE;
    if (!opened_open(&opened, arguments, symbols, arguments->operands[0]))
        goto close_symbols;
    struct model *model = analyse(&opened, arguments, suppressions, parts);
    if (suppressions)
        suppressions_apply(suppressions, model);
    if (baseline)
        baseline_apply(baseline, model);
    model_judge(model);
    bool asked = arguments->meaning[ARGUMENT_FAIL_ON] || arguments->given[ARGUMENT_MAX_LEAKED];
    status = asked && model->gating ? (int)arguments->meaning[ARGUMENT_ERROR_EXITCODE] : STATUS_DONE;
    model->exitcode = status;

    if (!sheet_begin(&sheet, arguments)) {
        status = STATUS_FAILED;
    } else {
        char *heading = title_of(&opened, title);
        sheet.look.parts = parts;
        sheet.look.title = heading;
        sheet.look.max_leaks = arguments->meaning[ARGUMENT_LIMIT];
        if (sheet.text)
            render_text(model, &sheet.look, sheet.text);
        if (sheet.json)
            render_json(model, sheet.json);
        free(heading);
        status = sheet_end(&sheet, status);
    }
    model_free(model);
    opened_close(&opened);
close_symbols:
    symbols_close(symbols);
    baseline_free(baseline);
    suppressions_free(suppressions);
    return status;
}
