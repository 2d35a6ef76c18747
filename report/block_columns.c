/* The columns of `midden blocks`.
 *
 * A row is made cell by cell from the record and the facts of its stack; nothing of it is kept. Text from the image is escaped in
 * every form, so that a table can be shown and a CSV file opened in a spreadsheet without surprises. */
#include "block_columns.h"

#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "json_parts.h"

static const struct { const char *name; int width; } columns[COLUMNS] = {   /* width: negative: left */
    [COLUMN_ADDRESS] = {"address", 14},     [COLUMN_SIZE] = {"size", 11},           [COLUMN_STATE] = {"state", -11},
    [COLUMN_KIND] = {"kind", -9},           [COLUMN_ALLOCATOR] = {"allocator", -14},[COLUMN_ENGINE] = {"engine", -8},
    [COLUMN_FLAGS] = {"flags", -10},        [COLUMN_AGE] = {"age", 10},             [COLUMN_SEQUENCE] = {"sequence", 10},
    [COLUMN_THREAD] = {"thread", 6},        [COLUMN_FREED_BY] = {"freed-by", 8},    [COLUMN_SITE] = {"site", -16},
    [COLUMN_MODULE] = {"module", -20},      [COLUMN_FUNCTION] = {"function", -24},  [COLUMN_PLACE] = {"place", -1},
};

static const char *const engine_names[RECORD_ENGINES] = {"?", "slab", "freelist", "buddy", "huge", "guarded"};

uint64_t columns_wanted(uint64_t meaning)
{
    const uint64_t every = (UINT64_C(1) << COLUMNS) - 1;
    return meaning >> COLUMNS & 1 ? every : meaning & every;
}

/* ---- cells ---- */

static const char *flags_of(const struct walked *block, char *text, size_t room)
{
    static const struct { unsigned bit; const char *name; } flags[] = {
        {RECORD_FLAG_IGNORED, "ignored"}, {RECORD_FLAG_DAMAGED, "damaged"},
        {RECORD_FLAG_PAGE_GUARD, "guarded"}, {RECORD_FLAG_SAMPLED, "sampled"}, {RECORD_FLAG_INACCESSIBLE, "inaccessible"},
    };
    size_t n = 0;
    *text = '\0';
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (record_head_flags(block->block.head) & flags[i].bit)
            n += (size_t)snprintf(text + n, room - n, "%s%s", n ? "+" : "", flags[i].name);
    return text;
}

static const char *kind_of(const struct block_context *context, const struct walked *block)
{
    int kind = block_kind(context, block);
    return kind < 0 ? "" : leak_kind_names[kind];
}

/* The number in a column; false: the column holds text, or there is no number. */
static bool number_of(enum block_column id, const struct block_context *context, const struct walked *block, uint64_t *number)
{
    switch (id) {
    case COLUMN_SIZE: *number = walked_size(block); return true;
    case COLUMN_AGE: *number = block_age(context, block); return true;
    case COLUMN_SEQUENCE: *number = block->block.sequence; return true;
    case COLUMN_THREAD: *number = block->block.alloc_thread; return *number != UINT16_MAX;
    case COLUMN_FREED_BY: *number = block->block.free_thread;
        return *number != UINT16_MAX && walked_state(block) != RECORD_BLOCK_LIVE;
    default: return false;
    }
}

/* The text in a column but for the place; buffer: room for what has to be made. */
static const char *text_of(enum block_column id, const struct block_context *context, const struct walked *block, char *buffer, size_t room)
{
    unsigned call = record_head_allocator(block->block.head);
    const struct frame *frame;
    switch (id) {
    case COLUMN_ADDRESS: snprintf(buffer, room, "0x%llx", (unsigned long long)block->address); return buffer;
    case COLUMN_STATE: return block_state_name(walked_state(block));
    case COLUMN_KIND: return kind_of(context, block);
    case COLUMN_ALLOCATOR: return frames_allocator_name(call);
    case COLUMN_ENGINE: return engine_names[context->records->regions[block->region].engine < RECORD_ENGINES
                                            ? context->records->regions[block->region].engine : 0];
    case COLUMN_FLAGS: return flags_of(block, buffer, room);
    case COLUMN_SITE: snprintf(buffer, room, "%016llx", (unsigned long long)stack_fact(context->facts, block->block.alloc_stack, call)->site);
        return buffer;
    case COLUMN_MODULE: frame = stack_fact_framed(context->facts, block->block.alloc_stack, call)->guilty;
        return frame && frame->module ? frames_basename(frame->module) : "";
    case COLUMN_FUNCTION: frame = stack_fact_framed(context->facts, block->block.alloc_stack, call)->guilty;
        return frame && frame->function ? frame->function : "";
    default: return "";
    }
}

static const struct frame *guilty_of(const struct block_context *context, const struct walked *block)
{
    return stack_fact_framed(context->facts, block->block.alloc_stack, record_head_allocator(block->block.head))->guilty;
}

void place_text(const struct frame *frame, FILE *out)
{
    const struct page page = {out, &render_defaults};
    if (frame)
        page_place(&page, frame);
    else
        fputc('?', out);
}

/* ---- text ---- */

/* Escaped text padded to a column's width. */
static void put_cell(const char *text, int width, bool last, FILE *out)
{
    size_t n = strlen(text), columns_used = n, wide = (size_t)abs(width);
    if (last) {
        render_escaped(text, n, out);
        return;
    }
    if (width > 0)
        for (size_t i = columns_used; i < wide; i++)
            fputc(' ', out);
    render_escaped(text, n, out);
    if (width < 0)
        for (size_t i = columns_used; i < wide; i++)
            fputc(' ', out);
}

static void put_number(uint64_t number, int width, FILE *out)
{
    char buffer[PAGE_DIGITS];
    fprintf(out, "%*s", width, page_digits(buffer, number));
}

void columns_head_text(uint64_t wanted, FILE *out)
{
    const char *between = "";
    for (int id = 0; id < COLUMNS; id++)
        if (wanted >> id & 1) {
            fputs(between, out);
            put_cell(columns[id].name, columns[id].width, !(wanted >> id >> 1), out);
            between = "  ";
        }
    fputc('\n', out);
}

void columns_row_text(uint64_t wanted, const struct block_context *context, const struct walked *block, FILE *out)
{
    const char *between = "";
    char buffer[128];
    uint64_t number;
    for (int id = 0; id < COLUMNS; id++) {
        if (!(wanted >> id & 1))
            continue;
        fputs(between, out);
        between = "  ";
        if (id == COLUMN_PLACE)
            place_text(guilty_of(context, block), out);
        else if (number_of((enum block_column)id, context, block, &number))
            put_number(number, columns[id].width, out);
        else
            put_cell(text_of((enum block_column)id, context, block, buffer, sizeof buffer), columns[id].width, !(wanted >> id >> 1), out);
    }
    fputc('\n', out);
}

/* ---- comma-separated values (RFC 4180) ---- */

static void put_csv(const char *text, size_t n, FILE *out)
{
    char *plain = escaped_copy(text, n);
    if (plain && !strpbrk(plain, ",\"")) {
        fputs(plain, out);
    } else if (plain) {
        fputc('"', out);
        for (const char *at = plain; *at; at++) {
            if (*at == '"')
                fputc('"', out);
            fputc(*at, out);
        }
        fputc('"', out);
    }
    free(plain);
}

void csv_text(const char *text, FILE *out)
{
    size_t n = 0;
    while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != ',' && text[n] != '"')
        n++;
    if (!text[n])
        fwrite(text, 1, n, out);
    else
        put_csv(text, strlen(text), out);
}

void columns_head_csv(uint64_t wanted, FILE *out)
{
    const char *between = "";
    for (int id = 0; id < COLUMNS; id++) {
        if (!(wanted >> id & 1))
            continue;
        fprintf(out, "%s%s", between, id == COLUMN_PLACE ? "file,line" : columns[id].name);
        between = ",";
    }
    fputc('\n', out);
}

void columns_row_csv(uint64_t wanted, const struct block_context *context, const struct walked *block, FILE *out)
{
    const char *between = "";
    char buffer[128];
    uint64_t number;
    for (int id = 0; id < COLUMNS; id++) {
        if (!(wanted >> id & 1))
            continue;
        fputs(between, out);
        between = ",";
        if (id == COLUMN_PLACE) {
            const struct frame *frame = guilty_of(context, block);
            csv_text(frame && frame->file ? frame->file : "", out);
            fputc(',', out);
            if (frame && frame->line)
                fprintf(out, "%u", frame->line);
        } else if (number_of((enum block_column)id, context, block, &number)) {
            fprintf(out, "%llu", (unsigned long long)number);
        } else {
            csv_text(text_of((enum block_column)id, context, block, buffer, sizeof buffer), out);
        }
    }
    fputc('\n', out);
}

/* ---- JSON ---- */

void columns_row_json(uint64_t wanted, const struct block_context *context, const struct walked *block, FILE *out)
{
    json_t *object = json_object();
    char buffer[128];
    uint64_t number;
    for (int id = 0; id < COLUMNS; id++) {
        if (!(wanted >> id & 1))
            continue;
        if (id == COLUMN_PLACE) {
            const struct frame *frame = guilty_of(context, block);
            put_json(object, "file", as_maybe_text(frame ? frame->file : NULL));
            put_json(object, "line", frame && frame->line ? json_integer(frame->line) : NULL);
        } else if (number_of((enum block_column)id, context, block, &number)) {
            put_json(object, id == COLUMN_FREED_BY ? "freed_by" : columns[id].name, as_number(number));
        } else {
            const char *text = text_of((enum block_column)id, context, block, buffer, sizeof buffer);
            put_json(object, id == COLUMN_FREED_BY ? "freed_by" : columns[id].name, *text || id == COLUMN_FLAGS ? as_text(text) : NULL);
        }
    }
    json_dumpf(object, out, JSON_COMPACT);
    json_decref(object);
}
