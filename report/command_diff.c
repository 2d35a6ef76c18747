/* `midden diff OLD NEW [MORE…]`: what grew.
 *
 * The images are taken in the order given: that of time. With --fail-on=grown a site that grew by --at-least and never shrank on the
 * way gates; with --fail-on=leaks one of which more is lost than before. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "page.h"
#include "say.h"

enum { FAIL_GROWN = 1, FAIL_LEAKS = 2 };

struct telling {
    const struct arguments *arguments;
    struct diff diff;
    uint64_t at_least;
    size_t grown, leaking;      /* sites */
};

static bool is_listed(const struct telling *telling, const struct diff_site *site)
{
    return diff_growth(&telling->diff, site) >= (int64_t)telling->at_least || diff_leaks_more(&telling->diff, site);
}

static bool has_grown(const struct telling *telling, const struct diff_site *site)
{
    return diff_only_grows(&telling->diff, site) && diff_growth(&telling->diff, site) >= (int64_t)telling->at_least;
}

/* Bytes an hour; 0: no times. */
static double rate(const struct telling *telling, const struct diff_site *site)
{
    return telling->diff.hours > 0 ? (double)diff_growth(&telling->diff, site) / telling->diff.hours : 0;
}

static struct stack_fact *fact_of(struct diff *diff, const struct diff_site *site)
{
    return stack_fact_framed(&diff->facts[site->example_image], site->example_stack, site->example_call);
}

/* ---- text ---- */

static void put_signed(const struct page *page, int64_t number)
{
    fputc(number < 0 ? '-' : '+', page->out);
    page_number(page, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* "+1,024 bytes in +3 blocks" */
static void put_change(const struct page *page, const struct diff_sum *old, const struct diff_sum *new)
{
    put_signed(page, (int64_t)(new->bytes - old->bytes));
    fputs(" bytes in ", page->out);
    put_signed(page, (int64_t)(new->blocks - old->blocks));
    fputs(" blocks", page->out);
}

static void put_rate(const struct page *page, double bytes_an_hour)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    for (; bytes_an_hour >= 1024 && unit < 4; unit++)
        bytes_an_hour /= 1024;
    fprintf(page->out, unit ? "%.1f %s an hour" : "%.0f %s an hour", bytes_an_hour, units[unit]);
}

static void heading(const struct page *page, const struct telling *telling)
{
    const struct diff *diff = &telling->diff;
    size_t last = diff->n_images - 1;
    page_colour(page, PAGE_BOLD);
    fputs("midden: the heap changed by ", page->out);
    put_change(page, &diff->totals[0], &diff->totals[last]);
    if (diff->hours > 0)
        fprintf(page->out, ", in %.*f %s", diff->hours < 0.05 ? 1 : 2, diff->hours < 0.05 ? diff->hours * 3600 : diff->hours,
                diff->hours < 0.05 ? "seconds" : "hours");
    page_colour(page, PAGE_PLAIN);
    fputc('\n', page->out);
    for (size_t i = 0; i <= last; i++) {
        fprintf(page->out, "  %s ", i == 0 ? "from" : i == last ? "to  " : "by  ");
        page_bytes_in_blocks(page, diff->totals[i].bytes, diff->totals[i].blocks);
        fputs(": ", page->out);
        opened_title(&diff->images[i], page->out);
        fputc('\n', page->out);
    }
    if (!diff->same_process)
        fputs("  these are different processes: blocks cannot be told apart, only sites\n", page->out);
    fputc('\n', page->out);
}

static void put_steps(const struct page *page, const struct diff *diff, const struct diff_site *site)
{
    fputs("  bytes at each image:", page->out);
    for (size_t i = 0; i < diff->n_images; i++) {
        fputs(i ? " → " : " ", page->out);
        page_number(page, site->at[i].bytes);
    }
    fputc('\n', page->out);
}

static void one_site(const struct page *page, struct telling *telling, const struct diff_site *site)
{
    struct diff *diff = &telling->diff;
    size_t last = diff->n_images - 1;
    const struct stack_fact *fact = fact_of(diff, site);
    bool steady = diff->n_images > 2 && diff_only_grows(diff, site);
    page_colour(page, steady || diff_leaks_more(diff, site) ? PAGE_ERROR : PAGE_WARNING);
    if (steady && site->grown_steps == last)
        fputs("grows at every step: ", page->out);
    else if (steady)
        fprintf(page->out, "only ever grows (%u of %zu steps): ", site->grown_steps, last);
    else
        fputs(diff_growth(diff, site) > 0 ? "grown: " : "lost more: ", page->out);
    put_change(page, &site->at[0], &site->at[last]);
    page_colour(page, PAGE_PLAIN);
    fputs(", now ", page->out);
    page_bytes_in_blocks(page, site->at[last].bytes, site->at[last].blocks);
    if (rate(telling, site) > 0) {
        fputs("; ", page->out);
        put_rate(page, rate(telling, site));
    }
    fputc('\n', page->out);
    if (fact->guilty) {
        fputs("  at ", page->out);
        page_place(page, fact->guilty);
        fputc('\n', page->out);
        page_source(page, fact->guilty);
    }
    if (diff->same_process) {
        fputs("  appeared: ", page->out);
        page_bytes_in_blocks(page, site->appeared.bytes, site->appeared.blocks);
        fputs("; gone: ", page->out);
        page_bytes_in_blocks(page, site->gone.bytes, site->gone.blocks);
        if (site->resized.blocks) {
            fputs("; resized: ", page->out);
            page_number(page, site->resized.bytes);
            fputs(" bytes more in ", page->out);
            page_number(page, site->resized.blocks);
            fputs(site->resized.blocks == 1 ? " block" : " blocks", page->out);
        }
        fputc('\n', page->out);
    }
    if (diff->n_images > 2)
        put_steps(page, diff, site);
    if (diff_leaks_more(diff, site)) {
        fputs("  of it lost: ", page->out);
        page_bytes_in_blocks(page, site->lost[0].bytes, site->lost[0].blocks);
        fputs(" before, ", page->out);
        page_bytes_in_blocks(page, site->lost[last].bytes, site->lost[last].blocks);
        fputs(" now\n", page->out);
    }
    fprintf(page->out, "  allocated, site %016" PRIx64 ":\n", site->site);
    page_stack(page, &fact->frames);
    fputc('\n', page->out);
}

static void text(struct telling *telling, const struct sheet *sheet)
{
    const struct page paper = {sheet->text, &sheet->look}, *page = &paper;
    struct diff *diff = &telling->diff;
    size_t listed = 0, shown = 0, limit = telling->arguments->meaning[ARGUMENT_SITES];
    uint64_t shrunk = 0, shrunk_bytes = 0;
    heading(page, telling);
    for (size_t i = 0; i < diff->n_sites; i++) {
        const struct diff_site *site = &diff->sites[i];
        int64_t growth = diff_growth(diff, site);
        shrunk += growth < 0;
        shrunk_bytes += growth < 0 ? (uint64_t)-growth : 0;
        if (!is_listed(telling, site))
            continue;
        listed++;
        if (!limit || shown < limit) {
            shown++;
            one_site(page, telling, site);
        }
    }
    if (listed > shown)
        fprintf(page->out, "… and %s more site%s (--limit)\n", PAGE_COUNT(listed - shown), listed - shown == 1 ? "" : "s");
    if (shrunk) {
        page_number(page, shrunk);
        fputs(shrunk == 1 ? " site shrank, by " : " sites shrank, by ", page->out);
        page_number(page, shrunk_bytes);
        fputs(" bytes\n", page->out);
    }
    for (size_t i = 0; i < diff->n_images; i++)
        opened_problems(&diff->images[i], sheet);
    page_colour(page, telling->grown || telling->leaking ? PAGE_WARNING : PAGE_GOOD);
    fprintf(page->out, "midden: %zu site%s %s, %zu lost more than before\n", telling->grown, telling->grown == 1 ? "" : "s",
            diff->n_images > 2 ? "only ever grew" : "grew", telling->leaking);
    page_colour(page, PAGE_PLAIN);
}

/* ---- JSON, midden-diff/1 ---- */

static json_t *site_json(struct telling *telling, const struct diff_site *site)
{
    struct diff *diff = &telling->diff;
    size_t last = diff->n_images - 1;
    json_t *object = json_object(), *at = json_array(), *lost = json_object();
    put_json(object, "site", as_hash(site->site));
    put_json(object, "growth_bytes", json_integer(diff_growth(diff, site)));
    put_json(object, "growth_blocks", json_integer((json_int_t)(site->at[last].blocks - site->at[0].blocks)));
    put_json(object, "bytes_per_hour", diff->hours > 0 ? json_real(rate(telling, site)) : NULL);
    put_json(object, "only_grows", json_boolean(diff_only_grows(diff, site)));
    put_json(object, "steps_grown", json_integer(site->grown_steps));
    put_json(object, "steps_shrunk", json_integer(site->shrunk_steps));
    for (size_t i = 0; i < diff->n_images; i++)
        json_array_append_new(at, as_total(site->at[i].bytes, site->at[i].blocks));
    put_json(object, "at", at);
    put_json(object, "appeared", diff->same_process ? as_total(site->appeared.bytes, site->appeared.blocks) : NULL);
    put_json(object, "gone", diff->same_process ? as_total(site->gone.bytes, site->gone.blocks) : NULL);
    put_json(object, "resized", diff->same_process ? as_total(site->resized.bytes, site->resized.blocks) : NULL);
    put_json(lost, "before", as_total(site->lost[0].bytes, site->lost[0].blocks));
    put_json(lost, "now", as_total(site->lost[last].bytes, site->lost[last].blocks));
    put_json(object, "lost", lost);
    put_json(object, "stack", as_stack(&fact_of(diff, site)->frames));
    return object;
}

static void json(struct telling *telling, bool gating, int status, FILE *out)
{
    struct diff *diff = &telling->diff;
    json_t *root = json_object(), *images = json_array(), *sites = json_array(), *verdict = json_object();
    put_json(root, "schema", json_string("midden-diff/1"));
    for (size_t i = 0; i < diff->n_images; i++) {
        json_t *image = opened_json(&diff->images[i]);
        put_json(image, "bytes", as_number(diff->totals[i].bytes));
        put_json(image, "blocks", as_number(diff->totals[i].blocks));
        json_array_append_new(images, image);
    }
    put_json(root, "images", images);
    put_json(root, "same_process", json_boolean(diff->same_process));
    put_json(root, "hours", diff->hours > 0 ? json_real(diff->hours) : NULL);
    put_json(verdict, "gating", json_boolean(gating));
    put_json(verdict, "exitcode", json_integer(status));
    put_json(root, "verdict", verdict);
    for (size_t i = 0; i < diff->n_sites; i++) {
        const struct diff_site *site = &diff->sites[i];
        if (diff_growth(diff, site) || site->appeared.blocks || site->gone.blocks || site->resized.blocks || site->grown_steps
            || diff_leaks_more(diff, site))
            json_array_append_new(sites, site_json(telling, site));
    }
    put_json(root, "sites", sites);
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}

/* ---- all of it ---- */

static int tell(struct telling *telling)
{
    const struct arguments *arguments = telling->arguments;
    struct diff *diff = &telling->diff;
    uint64_t fail_on = arguments->meaning[ARGUMENT_DIFF_FAIL_ON];
    struct sheet sheet;
    diff_rank(diff);
    for (size_t i = 0; i < diff->n_sites; i++) {
        telling->grown += has_grown(telling, &diff->sites[i]);
        telling->leaking += diff_leaks_more(diff, &diff->sites[i]);
    }
    bool gating = ((fail_on & FAIL_GROWN) && telling->grown) || ((fail_on & FAIL_LEAKS) && telling->leaking);
    int status = gating ? (int)arguments->meaning[ARGUMENT_ERROR_EXITCODE] : STATUS_DONE;
    if (!sheet_begin(&sheet, arguments))
        return STATUS_FAILED;
    if (sheet.text)
        text(telling, &sheet);
    if (sheet.json)
        json(telling, gating, status, sheet.json);
    return sheet_end(&sheet, status);
}

int command_diff(int argc, char **argv, struct settings *settings)
{
    enum { MOST = 10000 };
    struct arguments arguments;
    struct telling telling = {.arguments = &arguments};
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_diff, argc, argv, 2, MOST);
    if (status >= 0)
        goto done;
    struct symbols *symbols = symbols_open();
    struct opened *images = memory_new(arguments.n_operands, sizeof *images);
    size_t n = 0;
    while (n < arguments.n_operands && opened_open(&images[n], &arguments, symbols, arguments.operands[n]))
        n++;
    status = STATUS_UNUSABLE;
    if (n == arguments.n_operands) {
        telling.at_least = arguments.meaning[ARGUMENT_AT_LEAST];
        status = diff_make(&telling.diff, images, n, symbols) ? tell(&telling) : STATUS_FAILED;
        diff_free(&telling.diff);
    }
    while (n)
        opened_close(&images[--n]);
    free(images);
    symbols_close(symbols);
done:
    arguments_free(&arguments);
    return status;
}
