/* `report` and `leaks`: image → records → model → suppressions → text and JSON.
 *
 * The verdict in text and colour is that of `run`'s defaults (errors, definite and possible leaks), so that what was found is never
 * called clean; the exit status depends on --fail-on alone, which is empty unless given. */
#include "judged.h"

#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "heap_map.h"
#include "progress.h"
#include "say.h"
#include "settings.h"
#include "suppressions.h"
#include "unseen.h"

static uint64_t default_gate(void)
{
    uint64_t bits = 0;
    const char *text = option_rows[OPTION_FAIL_ON].fallback;
    option_value(OPTION_FAIL_ON, text, strlen(text), &bits);
    return bits;
}

static struct model *analyse(const struct opened *opened, const struct arguments *arguments, struct suppressions *suppressions, unsigned parts,
                             uint64_t show_leak_kinds)
{
    struct progress progress;
    struct model_options options = {
        .leak_check = parts & RENDER_LEAKS ? SETTINGS_LEAKS_FULL : SETTINGS_LEAKS_NO,
        .show_leak_kinds = show_leak_kinds,
        .fail_on = arguments->meaning[ARGUMENT_FAIL_ON] ? arguments->meaning[ARGUMENT_FAIL_ON] : default_gate(),
        .live = opened_is_live(opened), .progress = progress_show, .ctx = &progress,
        .excuse = suppressions ? suppressions_excuse : NULL, .excuse_ctx = suppressions,
        .gen_suppressions = arguments->meaning[ARGUMENT_GEN_SUPPRESSIONS], .max_leaked = arguments->meaning[ARGUMENT_MAX_LEAKED],
    };
    if (!(parts & RENDER_ERRORS))
        options.fail_on &= ~(uint64_t)SETTINGS_FAIL_ERRORS;
    if (parts & RENDER_ERRORS)
        unseen_look(opened->records);
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

int judged_open(struct judged *judged, const struct arguments *arguments, unsigned parts, uint64_t show_leak_kinds)
{
    const struct argument_list *files = &arguments->lists[ARGUMENT_SUPPRESSIONS], *known = &arguments->lists[ARGUMENT_BASELINE];
    memset(judged, 0, sizeof *judged);
    if (files->n && !(judged->suppressions = suppressions_read((char *const *)(uintptr_t)files->items, files->n)))
        return STATUS_USAGE;
    if (known->n && !(judged->baseline = baseline_read((char *const *)(uintptr_t)known->items, known->n,
                                                       arguments->given[ARGUMENT_BASELINE_GROWTH], arguments->meaning[ARGUMENT_BASELINE_GROWTH])))
        return STATUS_USAGE;
    judged->symbols = symbols_open();
    if (!opened_open(&judged->opened, arguments, judged->symbols, arguments->operands[0]))
        return STATUS_UNUSABLE;
    if (parts & RENDER_HEAP)
        heap_map_refresh(judged->opened.records);
    judged->model = analyse(&judged->opened, arguments, judged->suppressions, parts, show_leak_kinds);
    if (judged->suppressions)
        suppressions_apply(judged->suppressions, judged->model);
    if (judged->baseline)
        baseline_apply(judged->baseline, judged->model);
    model_judge(judged->model);
    bool asked = arguments->meaning[ARGUMENT_FAIL_ON] || arguments->given[ARGUMENT_MAX_LEAKED];
    judged->status = asked && judged->model->gating ? (int)arguments->meaning[ARGUMENT_ERROR_EXITCODE] : STATUS_DONE;
    judged->model->exitcode = judged->status;
    return -1;
}

void judged_close(struct judged *judged)
{
    model_free(judged->model);
    if (judged->opened.image)
        opened_close(&judged->opened);
    if (judged->symbols)
        symbols_close(judged->symbols);
    baseline_free(judged->baseline);
    suppressions_free(judged->suppressions);
}

int judged_show(const struct arguments *arguments, const char *title, unsigned parts)
{
    struct judged judged;
    struct sheet sheet;
    int status = judged_open(&judged, arguments, parts, arguments->meaning[ARGUMENT_SHOW_LEAK_KINDS]);
    if (status < 0 && !sheet_begin(&sheet, arguments)) {
        status = STATUS_FAILED;
    } else if (status < 0) {
        char *heading = title_of(&judged.opened, title);
        sheet.look.parts = parts;
        sheet.look.title = heading;
        sheet.look.max_leaks = arguments->meaning[ARGUMENT_LIMIT];
        if (sheet.text)
            render_text(judged.model, &sheet.look, sheet.text);
        if (sheet.json)
            render_json(judged.model, sheet.json);
        free(heading);
        status = sheet_end(&sheet, judged.status);
    }
    judged_close(&judged);
    return status;
}
