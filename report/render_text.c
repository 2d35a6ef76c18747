/* The whole report as text: findings, leaks (largest first), totals, the heap, what is not covered, and in the last line, where
 * the eye of somebody at a terminal rests, the verdict. */
#include <stdlib.h>
#include <string.h>

#include "page.h"

const struct render_options render_defaults = {.source_lines = 2, .list_errors = true, .parts = RENDER_ALL};

static const char *const lost_as[LEAK_KINDS] = {
    [LEAK_DEFINITE] = "definitely lost", [LEAK_INDIRECT] = "indirectly lost",
    [LEAK_POSSIBLE] = "possibly lost",   [LEAK_REACHABLE] = "still reachable",
};

static void heading(const struct page *page, const struct model *model)
{
    page_colour(page, PAGE_BOLD);
    if (page->options->title) {
        fprintf(page->out, "midden: %s", page->options->title);
        page_colour(page, PAGE_PLAIN);
        fputs("\n\n", page->out);
        return;
    }
    fprintf(page->out, "midden: report of ");
    if (model->argc)
        page_text(page, model->argv[0]);
    else
        fputs("a program", page->out);
    fprintf(page->out, ", pid %d", model->pid);
    if (model->image > 1)
        fprintf(page->out, ", program image %u", model->image);
    if (model->generation)
        fprintf(page->out, ", forked from %d", model->parent_pid);
    page_colour(page, PAGE_PLAIN);
    fputs("\n\n", page->out);
}

static void errors(const struct page *page, const struct model *model)
{
    if (!page->options->list_errors)
        return;
    for (size_t i = 0; i < model->n_errors; i++)
        if (!model->errors[i].suppressed)
            render_text_error(model, &model->errors[i], page->options, page->out);
}

/* ---- leaks ---- */

static void one_leak(const struct page *page, const struct model *model, const struct model_leak *leak, size_t number, size_t all)
{
    const struct leak_record *raw = &leak->raw;
    const struct frame *guilty = frames_guilty(&leak->stack);
    page_colour(page, raw->kind == LEAK_DEFINITE ? PAGE_ERROR : raw->kind == LEAK_POSSIBLE ? PAGE_WARNING : PAGE_BOLD);
    fprintf(page->out, "%s%s: ", lost_as[raw->kind], raw->stack_only ? ", but only from a stack" : "");
    page_bytes_in_blocks(page, raw->bytes, raw->blocks);
    if (raw->indirect_blocks) {
        fputs(", and with them ", page->out);
        page_bytes_in_blocks(page, raw->indirect_bytes, raw->indirect_blocks);
        fputs(" that only they lead to", page->out);
    }
    if (*leak->name) {
        fputs(raw->blocks == 1 ? ", named \"" : ", one of them named \"", page->out);
        page_text(page, leak->name);
        fputc('"', page->out);
    }
    page_colour(page, PAGE_PLAIN);
    fprintf(page->out, "  (leak %s of %s%s%s%s)\n", PAGE_COUNT(number), PAGE_COUNT(all), leak->baseline ? ", known" : "", leak->growth ? ", " : "",
            leak->growth ? leak->growth : "");
    if (guilty) {
        fputs("  at ", page->out);
        page_place(page, guilty);
        fputc('\n', page->out);
        page_source(page, guilty);
    }
    page_slots(page, model, leak);
    page_cycles(page, &raw->cycles);
    if (leak->site)
        fprintf(page->out, "  allocated, site %016llx:\n", (unsigned long long)leak->site);
    else
        fputs("  allocated:\n", page->out);
    page_stack(page, &leak->stack);
    if (model->options.gen_suppressions)
        render_leak_suppression(leak, page->out);
    fputc('\n', page->out);
}

static void leak_table(const struct page *page, const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    if (model->exit == MODEL_EXIT_SIGNAL && !model->options.live)
        fprintf(page->out, "leaks, when signal %d (%s) ended the program:\n", model->exit_value, strsignal(model->exit_value));
    else
        fputs("leaks:\n", page->out);
    for (int kind = 0; kind < LEAK_KINDS; kind++) {
        fprintf(page->out, "  %17s: ", lost_as[kind]);
        page_bytes_in_blocks(page, leaks->totals[kind].bytes, leaks->totals[kind].blocks);
        fputc('\n', page->out);
    }
    if (leaks->stack_only.blocks) {
        fprintf(page->out, "  %17s: ", "only from stacks");
        page_bytes_in_blocks(page, leaks->stack_only.bytes, leaks->stack_only.blocks);
        fputs(" of these\n", page->out);
    }
    if (model->suppressed_leaks.blocks || leaks->ignored.blocks) {
        fprintf(page->out, "  %17s: ", "suppressed");
        page_bytes_in_blocks(page, model->suppressed_leaks.bytes + leaks->ignored.bytes,
                             model->suppressed_leaks.blocks + leaks->ignored.blocks);
        fputc('\n', page->out);
    }
}

static void leaks_part(const struct page *page, const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    size_t listed = 0, shown = 0;
    if (!leaks)
        return;
    for (size_t i = 0; i < model->n_leak_records; i++)
        listed += model->leak_records[i].listed && !model->leak_records[i].suppressed;
    size_t most = page->options->max_leaks ? page->options->max_leaks : listed;
    /* What only stacks hold comes apart, last. */
    for (int stack_only = 0; stack_only <= 1; stack_only++)
        for (size_t i = 0; i < model->n_leak_records && shown < most; i++)
            if (model->leak_records[i].listed && !model->leak_records[i].suppressed && model->leak_records[i].raw.stack_only == stack_only)
                one_leak(page, model, &model->leak_records[i], ++shown, listed);
    if (shown < listed)
        fprintf(page->out, "… and %zu smaller ones (--json and --log-file have them all)\n\n", listed - shown);
    uint64_t blocks = leaks->ignored.blocks + leaks->inherited.blocks + model->suppressed_leaks.blocks;
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        blocks += leaks->totals[kind].blocks;
    if (!blocks && !leaks->incomplete) {
        page_colour(page, PAGE_GOOD);
        fputs("leaks: none; every heap block was freed\n", page->out);
        page_colour(page, PAGE_PLAIN);
        return;
    }
    leak_table(page, model);
    uint64_t hidden = 0;
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        if (!(model->options.show_leak_kinds >> kind & 1))
            hidden += leaks->totals[kind].blocks;
    if (hidden && model->options.leak_check == 0)
        fputs("  hint: --show-leak-kinds=all lists every kind, with stacks\n", page->out);
    else if (model->options.leak_check == 1)
        fputs("  hint: --leak-check=full lists them, with stacks\n", page->out);
}

/* ---- the heap ---- */

static void heap_part(const struct page *page, const struct model *model)
{
    static const char *const names[RECORD_ENGINES] = {"", "slab", "freelist", "buddy", "huge", "guarded"};
    const struct records *records = model->records;
    FILE *out = page->out;
    fputs("heap:\n  ", out);
    page_number(page, model->allocations);
    fputs(model->allocations == 1 ? " allocation, " : " allocations, ", out);
    page_number(page, model->frees);
    fputs(model->frees == 1 ? " free, " : " frees, ", out);
    page_number(page, model->allocated_bytes);
    fputs(" bytes in all, ", out);
    page_number(page, model->peak_bytes);
    fputs(" at the peak, ", out);
    page_bytes_in_blocks(page, model->live_bytes, model->live_blocks);
    fputs(" now\n", out);
    bool any = false;
    for (int i = 1; i < RECORD_ENGINES; i++) {
        const struct record_engine_stats *stats = &records->engines[i];
        if (!stats->mapped)
            continue;
        if (!any)
            fputs("  engine        blocks      in use   rounding        free  fragmentation: inner  outer\n", out);
        any = true;
        fprintf(out, "  %-9s %10llu %11llu %10llu %11llu                %4.1f %%  %4.1f %%\n", names[i], (unsigned long long)stats->blocks,
                (unsigned long long)stats->occupied,
                (unsigned long long)(stats->occupied > stats->requested ? stats->occupied - stats->requested : 0),
                (unsigned long long)stats->free_bytes, 100 * model_inner_fragmentation(stats), 100 * model_outer_fragmentation(stats));
    }
    const struct record_anchor *anchor = &records->anchor;
    fputs("  midden itself: ", out);
    page_number(page, anchor->own_bytes);
    fputs(" bytes for records", out);
    if (anchor->quarantine_blocks) {
        fputs("; quarantine: ", out);
        page_bytes_in_blocks(page, anchor->quarantine_bytes, anchor->quarantine_blocks);
    }
    fputc('\n', out);
}

/* ---- the end ---- */

static void coverage_part(const struct page *page, const struct model *model)
{
    if (!model->n_coverage)
        return;
    fputs("not covered:\n", page->out);
    for (size_t i = 0; i < model->n_coverage; i++) {
        fputs("  ", page->out);
        page_text(page, model->coverage[i]);
        fputc('\n', page->out);
    }
}

/* How long the program stood still for this. */
static void snapshot_part(const struct page *page, const struct model *model)
{
    const struct image_snapshot *snapshot = &model->snapshot;
    if (!snapshot->frozen || !snapshot->pause_ns)
        return;
    fprintf(page->out, "snapshot %u: paused %.*f ms", snapshot->sequence, snapshot->pause_ns < 100000 ? 2 : 1, (double)snapshot->pause_ns / 1e6);
    if (snapshot->silent)
        fprintf(page->out, "; %u thread%s did not stop", snapshot->silent, snapshot->silent == 1 ? "" : "s");
    fputc('\n', page->out);
}

/* The rules that suppressed something here. */
static void suppressions_part(const struct page *page, const struct model *model)
{
    struct model_rule_use *uses;
    size_t n = model_rules_used(model, &uses);
    if (n)
        fputs("suppressions used:\n", page->out);
    for (size_t i = 0; i < n; i++) {
        fprintf(page->out, "  %llu finding%s", (unsigned long long)uses[i].findings, uses[i].findings == 1 ? "" : "s");
        if (uses[i].blocks) {
            fputs(", ", page->out);
            page_bytes_in_blocks(page, uses[i].bytes, uses[i].blocks);
        }
        fputs(": ", page->out);
        page_text(page, uses[i].rule->name);
        fputs(" (", page->out);
        page_text(page, uses[i].rule->file);
        fprintf(page->out, ":%u)\n", uses[i].rule->line);
    }
    free(uses);
}

/* What was lost and does not gate, and why not; nothing where nothing was lost. */
static void other_leaks(const struct page *page, const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    struct leak_total lost = {leaks->totals[LEAK_DEFINITE].bytes + leaks->totals[LEAK_POSSIBLE].bytes,
                              leaks->totals[LEAK_DEFINITE].blocks + leaks->totals[LEAK_POSSIBLE].blocks};
    size_t known = 0, small = 0;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        known += leak->gates && !leak->suppressed && leak->baseline;
        small += leak->gates && !leak->suppressed && !leak->baseline;
    }
    if (!lost.blocks && !known && !small) {
        fputs(leaks->incomplete ? "no leaks in the part that can be read" : "no leaks", page->out);
        return;
    }
    fputs("no leak that gates (", page->out);
    if (lost.blocks) {
        page_bytes_in_blocks(page, lost.bytes, lost.blocks);
        fputs(" lost: ", page->out);
    }
    if (small)
        fputs("not more than --max-leaked", page->out);
    if (known)
        fprintf(page->out, "%s%zu known from the baseline", small ? ", " : "", known);
    if (!small && !known)
        fputs("not of a kind in --fail-on", page->out);
    fputc(')', page->out);
}

static void verdict(const struct page *page, const struct model *model)
{
    size_t n_errors = model_gating_errors(model), leaks = model_gating_leaks(model), others = 0, known = 0;
    for (size_t i = 0; i < model->n_errors; i++) {
        const struct model_error *error = &model->errors[i];
        known += !error->suppressed && error->baseline && error->severity == RECORD_SEVERITY_ERROR;
        others += !error->suppressed;
    }
    others -= n_errors + known;
    page_colour(page, model->gating ? PAGE_ERROR : PAGE_GOOD);
    fputs("midden: ", page->out);
    const char *separator = "";
    if (page->options->parts & RENDER_ERRORS) {
        separator = ", ";
        if (n_errors)
            fprintf(page->out, "%s error%s", PAGE_COUNT(n_errors), n_errors == 1 ? "" : "s");
        else
            fputs(known ? "no new errors" : "no errors", page->out);
        if (known)
            fprintf(page->out, " (and %s known from the baseline)", PAGE_COUNT(known));
        if (others)
            fprintf(page->out, " (and %s finding%s that do%s not count as such)", PAGE_COUNT(others), others == 1 ? "" : "s", others == 1 ? "es" : "");
    }
    if (!(page->options->parts & RENDER_LEAKS)) {
        ;       /* nobody asked */
    } else if (!model->leaks) {
        fprintf(page->out, "%sleaks were not looked for", *separator ? "; " : "");
    } else if (leaks) {
        fprintf(page->out, "%s%s leak%s", separator, PAGE_COUNT(leaks), leaks == 1 ? "" : "s");
    } else {
        fputs(separator, page->out);
        other_leaks(page, model);
    }
    if (model->options.live && model->leaks)
        fputs(" at this moment", page->out);
    if (model->n_suppressed_errors || model->suppressed_leaks.blocks)
        fputs(" (others are suppressed)", page->out);
    page_colour(page, PAGE_PLAIN);
    fputc('\n', page->out);
}

void render_text(const struct model *model, const struct render_options *options, FILE *out)
{
    char *text = NULL;
    size_t n = 0;
    FILE *sheet = options->prefix_pid ? open_memstream(&text, &n) : out;
    struct page paper = {sheet ? sheet : out, options}, *page = &paper;
    heading(page, model);
    if (options->parts & RENDER_ERRORS)
        errors(page, model);
    if (options->parts & RENDER_LEAKS)
        leaks_part(page, model);
    if (options->parts & RENDER_HEAP)
        heap_part(page, model);
    suppressions_part(page, model);
    coverage_part(page, model);
    snapshot_part(page, model);
    verdict(page, model);
    if (sheet && sheet != out) {
        fclose(sheet);
        char prefix[32];
        snprintf(prefix, sizeof prefix, "==%d== ", model->pid);
        render_prefixed(text, prefix, out);
        free(text);
    }
}
