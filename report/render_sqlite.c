/* The report as a database, for questions that no report answers: made in memory by sqlite and written as the file it would be.
 *
 *   findings, leaks   a row each; their stacks by number
 *   frames            a row for each frame of each stack: (stack, position) with the innermost at 0
 *   threads, coverage, facts (name, value: process, verdict and heap figures)
 *
 * Hashes and addresses are text, as in JSON; text that is no UTF-8 is written with \xNN. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"
#include "xml_parts.h"

static const char schema[] =
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value);"
    "CREATE TABLE threads(id INTEGER PRIMARY KEY, tid INTEGER, name TEXT, state TEXT, creator INTEGER);"
    "CREATE TABLE frames(stack INTEGER, position INTEGER, pc TEXT, module TEXT, offset TEXT, function TEXT, file TEXT, line INTEGER,"
    " inlined INTEGER, PRIMARY KEY(stack, position)) WITHOUT ROWID;"
    "CREATE TABLE findings(id INTEGER PRIMARY KEY, kind TEXT, severity TEXT, access TEXT, detected TEXT, message TEXT, count INTEGER,"
    " address TEXT, offset INTEGER, size INTEGER, call TEXT, thread INTEGER, stack INTEGER, block_address TEXT, block_size INTEGER,"
    " block_state TEXT, allocator TEXT, site TEXT, alloc_stack INTEGER, free_stack INTEGER, fingerprint TEXT, baseline INTEGER,"
    " suppressed INTEGER);"
    "CREATE TABLE leaks(id INTEGER PRIMARY KEY, kind TEXT, bytes INTEGER, blocks INTEGER, indirect_bytes INTEGER, indirect_blocks INTEGER,"
    " stack INTEGER, site TEXT, fingerprint TEXT, baseline INTEGER, suppressed INTEGER);"
    "CREATE TABLE coverage(note TEXT);"
    "BEGIN;";

struct book {
    sqlite3 *database;
    sqlite3_stmt *facts, *threads, *frames, *findings, *leaks, *coverage;
    sqlite3_int64 stacks;       /* numbers given */
};

/* One row is bound value by value. */
struct row {
    sqlite3_stmt *statement;
    int column;
};

static void put_text(struct row *row, const char *text)
{
    char *clean = text ? xml_clean(text) : NULL;
    if (clean)
        sqlite3_bind_text(row->statement, ++row->column, clean, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(row->statement, ++row->column);
    free(clean);
}

static void put_number(struct row *row, uint64_t value)
{
    sqlite3_bind_int64(row->statement, ++row->column, value > INT64_MAX ? INT64_MAX : (sqlite3_int64)value);
}

/* UINT64_MAX: not known. */
static void put_known(struct row *row, uint64_t value)
{
    if (value == RECORD_UNKNOWN)
        sqlite3_bind_null(row->statement, ++row->column);
    else
        put_number(row, value);
}

static void put_signed(struct row *row, int64_t value, bool known)
{
    if (known)
        sqlite3_bind_int64(row->statement, ++row->column, value);
    else
        sqlite3_bind_null(row->statement, ++row->column);
}

static void put_address(struct row *row, uint64_t address)
{
    char text[24];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
    put_text(row, text);
}

static void put_hash(struct row *row, uint64_t hash)
{
    char text[24];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    put_text(row, text);
}

static void end_row(struct row *row)
{
    sqlite3_step(row->statement);
    sqlite3_reset(row->statement);
    sqlite3_clear_bindings(row->statement);
}

/* ---- rows ---- */

static void fact(struct book *book, const char *name, uint64_t value)
{
    struct row row = {book->facts, 0};
    put_text(&row, name);
    put_number(&row, value);
    end_row(&row);
}

static void text_fact(struct book *book, const char *name, const char *value)
{
    struct row row = {book->facts, 0};
    put_text(&row, name);
    put_text(&row, value);
    end_row(&row);
}

/* The number of a stack whose frames are written now; 0: it has none. */
static uint64_t stack_of(struct book *book, const struct stack *stack)
{
    if (!stack || !stack->n)
        return 0;
    book->stacks++;
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        struct row row = {book->frames, 0};
        put_number(&row, (uint64_t)book->stacks);
        put_number(&row, i);
        put_address(&row, frame->pc);
        put_text(&row, frame->module);
        put_address(&row, frame->offset);
        put_text(&row, frame->function);
        put_text(&row, frame->file);
        put_known(&row, frame->line ? frame->line : RECORD_UNKNOWN);
        put_number(&row, frame->inlined);
        end_row(&row);
    }
    return (uint64_t)book->stacks;
}

static void put_stack(struct book *book, struct row *row, const struct stack *stack)
{
    uint64_t number = stack_of(book, stack);
    put_known(row, number ? number : RECORD_UNKNOWN);
}

static void finding(struct book *book, const struct model_error *error)
{
    const struct model_block *block = error->block;
    struct row row = {book->findings, 0};
    put_number(&row, error->index);
    put_text(&row, error->kind_name);
    put_text(&row, error->severity_name);
    put_text(&row, error->access_name);
    put_text(&row, error->detected_name);
    put_text(&row, error->message);
    put_number(&row, error->count);
    put_address(&row, error->address);
    put_signed(&row, error->offset, block != NULL);
    put_known(&row, error->size);
    put_text(&row, error->call_name);
    put_known(&row, error->thread ? error->thread->id : RECORD_UNKNOWN);
    put_stack(book, &row, &error->stack);
    if (block) {
        put_address(&row, block->address);
        put_number(&row, block->size);
        put_text(&row, block->state);
        put_text(&row, block->allocator);
        put_hash(&row, block->site);
        put_stack(book, &row, &block->alloc_stack);
        put_stack(book, &row, block->freed ? &block->free_stack : NULL);
    } else {
        row.column += 7;
    }
    put_hash(&row, error->fingerprint);
    put_number(&row, error->baseline);
    put_number(&row, error->suppressed);
    end_row(&row);
}

static void leak(struct book *book, const struct model_leak *record, size_t id)
{
    struct row row = {book->leaks, 0};
    put_number(&row, id);
    put_text(&row, leak_kind_names[record->raw.kind]);
    put_number(&row, record->raw.bytes);
    put_number(&row, record->raw.blocks);
    put_number(&row, record->raw.indirect_bytes);
    put_number(&row, record->raw.indirect_blocks);
    put_stack(book, &row, &record->stack);
    put_hash(&row, record->site);
    put_hash(&row, record->fingerprint);
    put_number(&row, record->baseline);
    put_number(&row, record->suppressed);
    end_row(&row);
}

static void all(struct book *book, const struct model *model)
{
    text_fact(book, "tool", "midden " MIDDEN_VERSION);
    text_fact(book, "program", model->argc ? model->argv[0] : NULL);
    fact(book, "pid", (uint64_t)model->pid);
    fact(book, "gating", model->gating);
    fact(book, "allocations", model->allocations);
    fact(book, "frees", model->frees);
    fact(book, "allocated_bytes", model->allocated_bytes);
    fact(book, "peak_bytes", model->peak_bytes);
    fact(book, "live_bytes", model->live_bytes);
    fact(book, "live_blocks", model->live_blocks);
    for (int kind = 0; model->leaks && kind < LEAK_KINDS; kind++) {
        char name[48];
        snprintf(name, sizeof name, "%s_bytes", leak_kind_names[kind]);
        fact(book, name, model->leaks->totals[kind].bytes);
        snprintf(name, sizeof name, "%s_blocks", leak_kind_names[kind]);
        fact(book, name, model->leaks->totals[kind].blocks);
    }
    for (size_t i = 0; i < model->n_threads; i++) {
        const struct model_thread *thread = &model->threads[i];
        struct row row = {book->threads, 0};
        put_number(&row, thread->id);
        put_signed(&row, thread->tid, true);
        put_text(&row, thread->name);
        put_text(&row, thread->state);
        put_known(&row, thread->creator ? thread->creator : RECORD_UNKNOWN);
        end_row(&row);
    }
    for (size_t i = 0; i < model->n_errors; i++)
        finding(book, &model->errors[i]);
    for (size_t i = 0; i < model->n_leak_records; i++)
        if (model->leak_records[i].listed)
            leak(book, &model->leak_records[i], i + 1);
    for (size_t i = 0; i < model->n_coverage; i++) {
        struct row row = {book->coverage, 0};
        put_text(&row, model->coverage[i]);
        end_row(&row);
    }
}

bool render_sqlite(const struct model *model, FILE *out)
{
    struct book book = {.stacks = 0};
    struct { sqlite3_stmt **statement; const char *text; } statements[] = {
        {&book.facts, "INSERT OR REPLACE INTO facts VALUES(?,?)"},
        {&book.threads, "INSERT OR REPLACE INTO threads VALUES(?,?,?,?,?)"},
        {&book.frames, "INSERT INTO frames VALUES(?,?,?,?,?,?,?,?,?)"},
        {&book.findings, "INSERT OR REPLACE INTO findings VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
        {&book.leaks, "INSERT INTO leaks VALUES(?,?,?,?,?,?,?,?,?,?,?)"},
        {&book.coverage, "INSERT INTO coverage VALUES(?)"},
    };
    bool good = sqlite3_open(":memory:", &book.database) == SQLITE_OK
             && sqlite3_exec(book.database, schema, NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; good && i < sizeof statements / sizeof statements[0]; i++)
        good = sqlite3_prepare_v2(book.database, statements[i].text, -1, statements[i].statement, NULL) == SQLITE_OK;
    if (good) {
        all(&book, model);
        good = sqlite3_exec(book.database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        sqlite3_finalize(*statements[i].statement);
    sqlite3_int64 n = 0;
    unsigned char *data = good ? sqlite3_serialize(book.database, "main", &n, 0) : NULL;
    good = data && fwrite(data, 1, (size_t)n, out) == (size_t)n;
    sqlite3_free(data);
    sqlite3_close(book.database);
    return good;
}
