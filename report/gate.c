/* The gate: see gate.h. Lists are cut to what a person reads; JSON has all of them. */
#include "gate.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "page.h"
#include "render.h"

enum { LINES = 20 };

bool gate_baseline(const struct settings *settings, struct baseline **baseline)
{
    const char *written = settings->text[OPTION_WRITE_BASELINE];
    *baseline = NULL;
    if (!settings->n_baselines && !written[0])
        return true;
    if (written[0] && !baseline_check(written))
        return false;
    *baseline = baseline_read(settings->baselines, settings->n_baselines, settings->given[OPTION_BASELINE_GROWTH],
                              settings->meaning[OPTION_BASELINE_GROWTH]);
    if (*baseline)
        (*baseline)->accept = written[0] != 0;
    return *baseline != NULL;
}

static void put(const char *text, FILE *out)
{
    render_escaped(text, strlen(text), out);
}

static void put_rule(const struct model_rule *rule, FILE *out)
{
    put(rule->name, out);
    fputs(" (", out);
    put(rule->file, out);
    fprintf(out, ":%u)\n", rule->line);
}

void gate_show_suppressions(const struct suppressions *suppressions, bool several, FILE *out)
{
    const struct model_rule **rules;
    char amount[PAGE_AMOUNT];
    size_t n = suppressions_used(suppressions, true, &rules);
    if (n && several)
        fputs("midden: suppressions used, in all processes:\n", out);
    for (size_t i = 0; i < n && several; i++) {
        fprintf(out, "midden:   %llu finding%s, ", (unsigned long long)rules[i]->findings, rules[i]->findings == 1 ? "" : "s");
        fprintf(out, "%s: ", page_amount(amount, rules[i]->bytes, rules[i]->blocks));
        put_rule(rules[i], out);
    }
    free(rules);
    n = suppressions_used(suppressions, false, &rules);
    if (n)
        fprintf(out, "midden: %zu suppression%s fitted nothing:\n", n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n && i < LINES; i++) {
        fputs("midden:   ", out);
        put_rule(rules[i], out);
    }
    if (n > LINES)
        fprintf(out, "midden:   … and %s more\n", PAGE_COUNT(n - LINES));
    free(rules);
}

static void put_entry(const struct baseline_entry *entry, FILE *out)
{
    fputs("midden:   ", out);
    put(entry->kind, out);
    if (entry->function || entry->module) {
        fputs(" in ", out);
        put(entry->function ? entry->function : entry->module, out);
    }
    if (entry->file || (entry->module && entry->function)) {
        fputs(" (", out);
        put(entry->file ? entry->file : entry->module, out);
        fputc(')', out);
    }
    fprintf(out, ", fingerprint %016llx\n", (unsigned long long)entry->fingerprint);
}

void gate_show_baseline(const struct baseline *baseline, FILE *out)
{
    if (baseline->written)
        fprintf(out, "midden: baseline written: %zu finding%s, known from now on\n", baseline->n_found, baseline->n_found == 1 ? "" : "s");
    size_t gone = 0, listed = 0;
    for (size_t i = 0; i < baseline->n_known; i++)
        gone += baseline_has_vanished(&baseline->known[i]);
    if (!gone)
        return;
    fprintf(out, "midden: %zu finding%s of the baseline %s not met any more:\n", gone, gone == 1 ? "" : "s", gone == 1 ? "was" : "were");
    struct baseline_entry *sorted = memory_new(baseline->n_known, sizeof *sorted);
    memcpy(sorted, baseline->known, baseline->n_known * sizeof *sorted);
    qsort(sorted, baseline->n_known, sizeof *sorted, baseline_for_people);
    for (size_t i = 0; i < baseline->n_known; i++)
        if (baseline_has_vanished(&sorted[i]) && listed++ < LINES)
            put_entry(&sorted[i], out);
    if (listed > LINES)
        fprintf(out, "midden:   … and %s more\n", PAGE_COUNT(listed - LINES));
    free(sorted);
}
