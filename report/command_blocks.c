/* `midden blocks IMAGE`: the blocks, one a line, or added up.
 *
 *   1. a walk over the records for the newest sequence number, from which ages count
 *   2. with --kind or its column: the leak check
 *   3. a walk that counts what the filter takes (the total stands first), and
 *        groups      adds up, or
 *        sorts       keeps the rows: all of them, or with --limit the first N in a heap of N, or
 *        streams     nothing is kept, and a third walk writes
 *
 * A row that is kept takes 40 bytes; text is made when it is written. Ten million blocks by address need no more memory than ten. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block_columns.h"
#include "block_groups.h"
#include "json_parts.h"
#include "loader_tls.h"
#include "opened.h"
#include "outputs.h"
#include "progress.h"
#include "say.h"

struct listing {
    const struct arguments *arguments;
    struct opened opened;
    struct block_filter filter;
    struct block_context context;
    struct stack_facts facts;
    struct progress progress;
    uint64_t blocks, bytes;     /* that the filter takes */
    size_t limit;
    enum sort_by sort;
    bool reverse;
    struct walked *rows;        /* sorted ones; with a limit a heap whose first is the one to go next */
    size_t n_rows, room;
};

/* ---- order ---- */

/* < 0: a stands before b. */
static int compare(const void *left, const void *right, void *ctx)
{
    const struct walked *a = left, *b = right;
    const struct listing *listing = ctx;
    int order = 0;
    if (listing->sort == SORT_SIZE || listing->sort == SORT_BYTES)
        order = walked_size(a) > walked_size(b) ? -1 : walked_size(a) < walked_size(b);
    else if (listing->sort == SORT_AGE)
        order = block_age(&listing->context, a) > block_age(&listing->context, b) ? -1
              : block_age(&listing->context, a) < block_age(&listing->context, b);
    if (!order)
        order = a->address < b->address ? -1 : a->address > b->address;
    return listing->reverse ? -order : order;
}

static void sift_down(struct listing *listing)
{
    struct walked *rows = listing->rows;
    for (size_t at = 0, child; (child = 2 * at + 1) < listing->n_rows; at = child) {
        if (child + 1 < listing->n_rows && compare(&rows[child], &rows[child + 1], listing) < 0)
            child++;
        if (compare(&rows[at], &rows[child], listing) >= 0)
            return;
        struct walked row = rows[at];
        rows[at] = rows[child];
        rows[child] = row;
    }
}

static void sift_up(struct listing *listing)
{
    struct walked *rows = listing->rows;
    for (size_t at = listing->n_rows - 1; at && compare(&rows[(at - 1) / 2], &rows[at], listing) < 0; at = (at - 1) / 2) {
        struct walked row = rows[at];
        rows[at] = rows[(at - 1) / 2];
        rows[(at - 1) / 2] = row;
    }
}

static void keep(struct listing *listing, const struct walked *block)
{
    if (listing->limit && listing->n_rows == listing->limit) {
        if (compare(block, &listing->rows[0], listing) < 0) {
            listing->rows[0] = *block;
            sift_down(listing);
        }
        return;
    }
    if (listing->n_rows == listing->room)
        listing->rows = memory_resize(listing->rows, listing->room = listing->room ? 2 * listing->room : 1024, sizeof *listing->rows);
    listing->rows[listing->n_rows++] = *block;
    if (listing->limit)
        sift_up(listing);
}

/* ---- walking ---- */

/* Calls `each` for every block that the filter takes, until it says false. */
static void walk_taken(struct listing *listing, const char *what, bool (*each)(struct listing *, const struct walked *, void *), void *ctx)
{
    struct block_walk walk;
    struct walked block;
    block_walk_start(&walk, listing->opened.records);
    progress_begin(&listing->progress, what);
    while (block_walk_next(&walk, &block)) {
        if (block_filter_takes(&listing->filter, &listing->context, &block) && !each(listing, &block, ctx))
            break;
        progress_show(&listing->progress, walk.done, walk.all);
    }
    progress_end(&listing->progress);
    block_walk_end(&walk);
}

static bool count(struct listing *listing, const struct walked *block, void *ctx)
{
    struct block_groups *groups = ctx;
    listing->blocks++;
    listing->bytes += walked_size(block);
    if (groups->by != BY_BLOCK)
        block_groups_add(groups, &listing->context, block);
    else if (listing->sort != SORT_ADDRESS || listing->reverse)
        keep(listing, block);
    return true;
}

/* ---- writing ---- */

enum form { FORM_TEXT, FORM_CSV, FORM_JSON };

struct writer {
    enum form form;
    FILE *out;
    uint64_t columns;
    size_t written;
};

static bool write_row(struct listing *listing, const struct walked *block, void *ctx)
{
    struct writer *writer = ctx;
    if (writer->form == FORM_TEXT)
        columns_row_text(writer->columns, &listing->context, block, writer->out);
    else if (writer->form == FORM_CSV)
        columns_row_csv(writer->columns, &listing->context, block, writer->out);
    else {
        fputs(writer->written ? ",\n" : "", writer->out);
        columns_row_json(writer->columns, &listing->context, block, writer->out);
    }
    writer->written++;
    return !ferror(writer->out) && (!listing->limit || writer->written < listing->limit);
}

static void write_rows(struct listing *listing, struct writer *writer)
{
    if (listing->sort == SORT_ADDRESS && !listing->reverse) {
        walk_taken(listing, "writing", write_row, writer);
        return;
    }
    for (size_t i = 0; i < listing->n_rows; i++)
        if (!write_row(listing, &listing->rows[i], writer))
            return;
}

static void title(const struct listing *listing, const struct sheet *sheet)
{
    static const char *const states[] = {"", "live ", "quarantined ", "live or quarantined ", "freed ", "live or freed ",
                                         "freed or quarantined ", ""};
    const struct page page = {sheet->text, &sheet->look};
    page_colour(&page, PAGE_BOLD);
    fputs("midden: ", page.out);
    page_number(&page, listing->blocks);
    fprintf(page.out, " %sblock%s, ", states[listing->filter.states], listing->blocks == 1 ? "" : "s");
    page_number(&page, listing->bytes);
    fprintf(page.out, " byte%s, in ", listing->bytes == 1 ? "" : "s");
    opened_title(&listing->opened, page.out);
    page_colour(&page, PAGE_PLAIN);
    fputs("\n\n", page.out);
}

static void write_form(struct listing *listing, struct block_groups *groups, enum form form, FILE *out)
{
    const struct arguments *arguments = listing->arguments;
    uint64_t meaning = arguments->meaning[ARGUMENT_COLUMNS];
    if (form != FORM_TEXT && !arguments->given[ARGUMENT_COLUMNS])
        meaning = ~(UINT64_C(1) << COLUMN_KIND | UINT64_C(1) << COLUMNS);
    if (listing->filter.kinds)
        meaning |= UINT64_C(1) << COLUMN_KIND;
    struct writer writer = {form, out, columns_wanted(meaning), 0};
    bool grouped = groups->by != BY_BLOCK;
    if (form == FORM_JSON) {
        fprintf(out, "{\"schema\":\"midden-blocks/1\",\n\"image\":");
        json_t *image = opened_json(&listing->opened);
        json_dumpf(image, out, JSON_COMPACT);
        json_decref(image);
        fprintf(out, ",\n\"blocks\":%llu,\"bytes\":%llu,\n\"%s\":[\n", (unsigned long long)listing->blocks,
                (unsigned long long)listing->bytes, grouped ? "groups" : "list");
    }
    if (grouped && form == FORM_TEXT)
        block_groups_text(groups, &listing->context, listing->limit, out);
    else if (grouped && form == FORM_CSV)
        block_groups_csv(groups, &listing->context, listing->limit, out);
    else if (grouped)
        block_groups_json(groups, &listing->context, listing->limit, out);
    if (!grouped && form == FORM_TEXT)
        columns_head_text(writer.columns, out);
    if (!grouped && form == FORM_CSV)
        columns_head_csv(writer.columns, out);
    if (!grouped)
        write_rows(listing, &writer);
    if (form == FORM_JSON)
        fputs("\n]}\n", out);
    size_t all = grouped ? groups->n : listing->blocks;
    if (form == FORM_TEXT && listing->limit && all > listing->limit)
        fprintf(out, "… and %s more (--limit)\n", PAGE_COUNT(all - listing->limit));
}

static int write_all(struct listing *listing, struct block_groups *groups)
{
    struct sheet sheet;
    if (!sheet_begin(&sheet, listing->arguments))
        return STATUS_FAILED;
    if (sheet.text)
        title(listing, &sheet);
    if (sheet.text)
        write_form(listing, groups, FORM_TEXT, sheet.text);
    if (sheet.csv)
        write_form(listing, groups, FORM_CSV, sheet.csv);
    if (sheet.json)
        write_form(listing, groups, FORM_JSON, sheet.json);
    if (sheet.text)
        opened_problems(&listing->opened, &sheet);
    return sheet_end(&sheet, STATUS_DONE);
}

/* ---- all of it ---- */

static bool needs_kinds(const struct arguments *arguments)
{
    return arguments->meaning[ARGUMENT_KIND]
        || (arguments->given[ARGUMENT_COLUMNS] && columns_wanted(arguments->meaning[ARGUMENT_COLUMNS]) >> COLUMN_KIND & 1);
}

static int list_blocks(struct listing *listing)
{
    const struct arguments *arguments = listing->arguments;
    struct block_groups groups;
    struct paths *paths = NULL;
    if (needs_kinds(arguments) && !(paths = opened_paths(&listing->opened)))
        return STATUS_FAILED;
    listing->context = (struct block_context){listing->opened.records, &listing->facts, paths, 0};
    listing->context.newest = block_newest(listing->opened.records);
    listing->limit = arguments->meaning[ARGUMENT_LIMIT];
    listing->sort = (enum sort_by)arguments->meaning[ARGUMENT_SORT];
    listing->reverse = arguments->meaning[ARGUMENT_REVERSE] == 0;
    block_groups_open(&groups, (enum group_by)arguments->meaning[ARGUMENT_BY]);
    if (groups.by == BY_BLOCK && (listing->sort == SORT_AUTO || listing->sort == SORT_BLOCKS))
        listing->sort = SORT_ADDRESS;
    walk_taken(listing, "reading blocks", count, &groups);
    if (listing->n_rows)
        qsort_r(listing->rows, listing->n_rows, sizeof *listing->rows, compare, listing);
    block_groups_sort(&groups, listing->sort, listing->reverse);
    int status = write_all(listing, &groups);
    block_groups_close(&groups);
    free(listing->rows);
    paths_close(paths);
    return status;
}

int command_blocks(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    struct listing listing = {.arguments = &arguments};
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_blocks, argc, argv, 1, 1);
    if (status >= 0)
        goto done;
    status = STATUS_USAGE;
    if (!block_filter_read(&listing.filter, &arguments))
        goto free_filter;
    struct symbols *symbols = symbols_open();
    status = STATUS_UNUSABLE;
    if (opened_open(&listing.opened, &arguments, symbols, arguments.operands[0])) {
        stack_facts_open(&listing.facts, listing.opened.records, symbols);
        status = list_blocks(&listing);
        stack_facts_close(&listing.facts);
        opened_close(&listing.opened);
    }
    symbols_close(symbols);
free_filter:
    block_filter_free(&listing.filter);
done:
    arguments_free(&arguments);
    return status;
}
