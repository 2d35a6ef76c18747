/* Opening the records of an image.
 *
 *   1. The anchor: at the address given, or looked for by its magic in the writable mappings of libmidden.so.
 *   2. Its version decides whether we understand it; its sizes say which fields and tables the writer knew. Fields of an older
 *      writer that are missing are zero, fields of a newer one are passed over.
 *   3. Tables that are needed whole (regions, threads, modules, own mappings, roots) are copied and checked entry by entry
 *      (records_regions.c does the regions); stacks, strings and findings are fetched when asked for.
 *
 * Limits: thread and module indices have 16 bits in a record, so larger tables are cut there; other tables that are read whole
 * are cut at MAX_WHOLE entries, which no honest writer reaches. */
#include "records.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records_marks.h"
#include "records_regions.h"

#define MAX_ANCHOR 65536u
#define MAX_WHOLE ((size_t)1 << 24)
#define MAX_INDEX16 65536u
#define MAX_PROBLEMS 64u

void records_problem(struct records *records, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (size_t i = 0; i < records->n_problems; i++)
        if (strcmp(records->problems[i], line) == 0)
            return;
    if (records->n_problems == MAX_PROBLEMS)
        return;
    records->problems = memory_resize(records->problems, records->n_problems + 1, sizeof *records->problems);
    records->problems[records->n_problems++] = arena_text(&records->arena, line, strlen(line));
}

/* ---- the anchor ---- */

/* Looks for the magic, 64-byte aligned, in one mapping; 0: not there. */
static uint64_t search_mapping(const struct image *image, const struct image_mapping *mapping)
{
    enum { STEP = 1 << 20 };
    uint64_t found = 0;
    unsigned char *buffer = memory_new(1, STEP);
    uint64_t start = mapping->start, end = mapping->end;
    for (uint64_t from = start; from < mapping->end && !found; from = end) {
        if (image->ops->touched && (!image->ops->touched(image->ctx, from, mapping->end, &start, &end) || end <= from))
            break;
        for (uint64_t at = start & ~UINT64_C(63); at < end && !found; at += STEP) {
            size_t n = end - at < STEP ? (size_t)(end - at) : STEP;
            image_read_around(image, at, buffer, n);
            for (size_t i = 0; i + 16 <= n && !found; i += 64)
                if (memcmp(buffer + i, RECORD_MAGIC, 16) == 0)
                    found = at + i;
        }
    }
    free(buffer);
    return found;
}

static uint64_t search_anchor(const struct image *image)
{
    bool names = false;
    for (size_t i = 0; i < image->n_mappings; i++) {
        const struct image_mapping *mapping = &image->mappings[i];
        const char *slash = strrchr(mapping->path, '/');
        names |= slash != NULL;
        if (!(mapping->access & IMAGE_WRITE) || strncmp(slash ? slash + 1 : mapping->path, "libmidden.so", 12) != 0)
            continue;
        uint64_t found = search_mapping(image, mapping);
        if (found)
            return found;
    }
    /* A core that has lost the names of its files. */
    for (size_t i = 0; i < image->n_mappings && !names; i++) {
        uint64_t found = image->mappings[i].access & IMAGE_WRITE ? search_mapping(image, &image->mappings[i]) : 0;
        if (found)
            return found;
    }
    return 0;
}

/* Reads the anchor and the shapes of the tables. */
static bool read_anchor(struct records *records, struct record_table *shapes, struct error *error)
{
    struct record_anchor *anchor = &records->anchor;
    const size_t head = offsetof(struct record_anchor, phase);
    uint64_t at = records->anchor_address;
    if (!image_read_all(records->image, at, anchor, head)) {
        error_set(error, "there is no readable memory at 0x%llx, where midden's records should be", (unsigned long long)at);
        return false;
    }
    if (memcmp(anchor->magic, RECORD_MAGIC, 16) != 0) {
        error_set(error, "there are no records of midden at 0x%llx", (unsigned long long)at);
        return false;
    }
    if (anchor->version < RECORD_VERSION_OLDEST || anchor->version > RECORD_VERSION) {
        error_set(error, "the records have version %u; this midden reads versions %u to %u", anchor->version, RECORD_VERSION_OLDEST, RECORD_VERSION);
        return false;
    }
    if (anchor->anchor_size > MAX_ANCHOR || anchor->tables_offset < head || anchor->tables_offset > anchor->anchor_size
        || anchor->n_tables > 256
        || anchor->n_tables * sizeof *shapes > anchor->anchor_size - anchor->tables_offset) {
        error_set(error, "the anchor of the records is damaged");
        return false;
    }
    size_t fields = offsetof(struct record_anchor, tables);
    if (anchor->tables_offset < fields)
        fields = anchor->tables_offset;
    size_t tables = anchor->n_tables < RECORD_TABLES ? anchor->n_tables : RECORD_TABLES;
    if (!image_read_all(records->image, at, anchor, fields)
        || (tables && !image_read_all(records->image, at + anchor->tables_offset, shapes, tables * sizeof *shapes))) {
        error_set(error, "the anchor of the records cannot be read whole");
        return false;
    }
    return true;
}

static const size_t known_sizes[RECORD_TABLES] = {
    [RECORD_TABLE_REGIONS] = sizeof(struct record_region),     [RECORD_TABLE_STACKS] = sizeof(struct record_node),
    [RECORD_TABLE_THREADS] = sizeof(struct record_thread),     [RECORD_TABLE_MODULES] = sizeof(struct record_module),
    [RECORD_TABLE_FINDINGS] = sizeof(struct record_finding),   [RECORD_TABLE_MAPPINGS] = sizeof(struct record_mapping),
    [RECORD_TABLE_STRINGS] = 1,                                [RECORD_TABLE_ROOTS] = sizeof(struct record_root),
    [RECORD_TABLE_LABELS] = sizeof(struct record_label),       [RECORD_TABLE_POOLS] = sizeof(struct record_pool),
    [RECORD_TABLE_OBJECTS] = sizeof(struct record_object),
};
static const char *const table_names[RECORD_TABLES] = {
    [RECORD_TABLE_REGIONS] = "regions",   [RECORD_TABLE_STACKS] = "stacks",     [RECORD_TABLE_THREADS] = "threads",
    [RECORD_TABLE_MODULES] = "modules",   [RECORD_TABLE_FINDINGS] = "findings", [RECORD_TABLE_MAPPINGS] = "own mappings",
    [RECORD_TABLE_STRINGS] = "strings",   [RECORD_TABLE_ROOTS] = "roots",       [RECORD_TABLE_LABELS] = "names",
    [RECORD_TABLE_POOLS] = "pools",       [RECORD_TABLE_OBJECTS] = "pool objects",
};

static void open_tables(struct records *records, const struct record_table *shapes)
{
    for (int i = 0; i < RECORD_TABLES; i++) {
        const char *why = "";
        if (!table_open(&records->tables[i], records->image, &shapes[i], known_sizes[i], &why)) {
            records->partial = true;
            records_problem(records, "the table of %s cannot be used: %s", table_names[i], why);
        }
        if (i == RECORD_TABLE_STRINGS && records->tables[i].count && shapes[i].entry_size != 1) {
            records_problem(records, "the table of strings cannot be used: its entries are no bytes");
            table_close(&records->tables[i]);
        }
    }
}

/* Copies up to `most` entries of a table into a new array, unreadable ones as zeros; *n receives their number. */
static void *whole_table(struct records *records, enum record_table_id id, size_t most, size_t *n)
{
    struct table *table = &records->tables[id];
    size_t count = table->count < most ? (size_t)table->count : most;
    if (count < table->count)
        records_problem(records, "the table of %s is too long: its end was left out", table_names[id]);
    *n = 0;
    uint8_t *copy = memory_try(count ? count : 1, table->known_size);
    if (!copy) {
        records_problem(records, "there is no memory for the table of %s", table_names[id]);
        copy = memory_new(1, known_sizes[id]);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        const void *entry = table_entry(table, i);
        if (entry)
            memcpy(copy + i * table->known_size, entry, table->known_size);
    }
    records->partial |= table->cut;
    if (table->cut)
        records_problem(records, "a part of the table of %s cannot be read", table_names[id]);
    *n = count;
    return copy;
}

/* ---- tables that are needed whole ---- */

static int by_start(const void *left, const void *right)
{
    const struct record_mapping *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static void read_own(struct records *records)
{
    size_t n, kept = 0;
    struct record_mapping *own = whole_table(records, RECORD_TABLE_MAPPINGS, MAX_WHOLE, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t end;
        if (own[i].purpose == RECORD_PURPOSE_NONE || own[i].purpose == RECORD_PURPOSE_UNRECORDED || own[i].bytes == 0)
            continue;
        if (__builtin_add_overflow(own[i].start, own[i].bytes, &end))
            records_problem(records, "an entry of the table of own mappings is damaged");
        else
            own[kept++] = own[i];
    }
    qsort(own, kept, sizeof *own, by_start);
    size_t merged = 0;
    for (size_t i = 0; i < kept; i++) {
        struct record_mapping *last = merged ? &own[merged - 1] : NULL;
        if (last && own[i].start <= last->start + last->bytes) {
            uint64_t end = own[i].start + own[i].bytes;
            if (end > last->start + last->bytes)
                last->bytes = end - last->start;
        } else {
            own[merged++] = own[i];
        }
    }
    records->own = own;
    records->n_own = merged;
}

/* What a core leaves out of our own memory was never written, for we keep nothing out of cores. Of the program's this is not known. */
static void check_left_out(struct records *records)
{
    const struct image *image = records->image;
    size_t n = 0, first = 0, own = 0;
    for (size_t i = 0; i < image->n_left_out; i++) {
        const struct image_range *range = &image->left_out[i];
        while (own < records->n_own && records->own[own].start + records->own[own].bytes <= range->start)
            own++;
        bool ours = own < records->n_own && records->own[own].start <= range->start
                 && range->end <= records->own[own].start + records->own[own].bytes;
        if (!ours && n++ == 0)
            first = i;
    }
    if (!n)
        return;
    records_problem(records, "the core leaves out %zu writable mapping%s, first that at 0x%llx (anonymous): never written, or kept out of "
                    "cores by the program; since it may hold pointers, what seems definitely lost counts as possibly lost",
                    n, n == 1 ? "" : "s", (unsigned long long)image->left_out[first].start);
    records->partial = true;
}

static void read_roots(struct records *records)
{
    size_t n, kept = 0;
    struct record_root *roots = whole_table(records, RECORD_TABLE_ROOTS, MAX_WHOLE, &n);
    for (size_t i = 0; i < n; i++)
        if (roots[i].state && image_covers(records->image, roots[i].start, roots[i].bytes))
            roots[kept++] = roots[i];
    records->roots = roots;
    records->n_roots = kept;
}

static void read_modules(struct records *records)
{
    records->modules = whole_table(records, RECORD_TABLE_MODULES, MAX_INDEX16, &records->n_modules);
    records->module_paths = memory_new(records->n_modules, sizeof *records->module_paths);
    for (size_t i = 0; i < records->n_modules; i++) {
        struct record_module *module = &records->modules[i];
        if (module->build_id_bytes > sizeof module->build_id) {
            records_problem(records, "the build id of a module is damaged");
            module->build_id_bytes = 0;
        }
        records->module_paths[i] = records_text(records, module->path);
    }
}

static void read_threads(struct records *records)
{
    records->threads = whole_table(records, RECORD_TABLE_THREADS, MAX_INDEX16, &records->n_threads);
    for (size_t i = 0; i < records->n_threads; i++) {
        struct record_thread *thread = &records->threads[i];
        thread->name[sizeof thread->name - 1] = '\0';
        if (thread->n_registers > RECORD_REGISTERS) {
            records_problem(records, "the registers of a thread are damaged");
            thread->n_registers = 0;
        }
    }
}

static void read_rest(struct records *records)
{
    const struct record_anchor *anchor = &records->anchor;
    if (anchor->entry_points
        && !image_read_all(records->image, anchor->entry_points, records->entry_points, sizeof records->entry_points))
        memset(records->entry_points, 0, sizeof records->entry_points);
    if (anchor->engines && !image_read_all(records->image, anchor->engines, records->engines, sizeof records->engines)) {
        memset(records->engines, 0, sizeof records->engines);
        records_problem(records, "the statistics of the heap's engines cannot be read");
    }
    records->options = records_text(records, anchor->options);
    records->command = "";
    struct table *strings = &records->tables[RECORD_TABLE_STRINGS];
    uint64_t mask = ((uint64_t)1 << strings->shape.chunk_shift) - 1;
    if (anchor->cmdline && anchor->cmdline_bytes && anchor->cmdline < strings->count
        && anchor->cmdline_bytes <= strings->count - anchor->cmdline
        && (anchor->cmdline & mask) + anchor->cmdline_bytes <= mask + 1) {
        const char *text = table_entry(strings, anchor->cmdline);
        if (text) {
            records->command = arena_text(&records->arena, text, anchor->cmdline_bytes);
            records->command_bytes = anchor->cmdline_bytes;
        }
    }
}

struct records *records_open(const struct image *image, uint64_t anchor, struct error *error)
{
    struct record_table shapes[RECORD_TABLES];
    memset(shapes, 0, sizeof shapes);
    if (!anchor && !(anchor = search_anchor(image))) {
        if (image->incomplete)
            error_set(error, "no records of midden are in it; %s", image->notes[0]);
        else
            error_set(error, "no records of midden are in this image: the program was not run on midden's heap");
        return NULL;
    }
    struct records *records = memory_new(1, sizeof *records);
    records->image = image;
    records->anchor_address = anchor;
    if (!read_anchor(records, shapes, error)) {
        records_close(records);
        return NULL;
    }
    records->partial = image->incomplete;
    for (size_t i = 0; i < image->n_notes; i++)
        records_problem(records, "%s", image->notes[i]);
    open_tables(records, shapes);
    read_modules(records);
    read_threads(records);
    read_own(records);
    check_left_out(records);
    read_roots(records);
    read_rest(records);
    records_read_marks(records);
    records->n_findings = records->tables[RECORD_TABLE_FINDINGS].count < MAX_WHOLE
                        ? (size_t)records->tables[RECORD_TABLE_FINDINGS].count : MAX_WHOLE;
    size_t n;
    struct record_region *regions = whole_table(records, RECORD_TABLE_REGIONS, MAX_WHOLE, &n);
    records->regions = regions;
    records->n_regions = records_check_regions(records, regions, n);
    table_close(&records->tables[RECORD_TABLE_REGIONS]);    /* copied; not needed twice */
    return records;
}

void records_close(struct records *records)
{
    if (!records)
        return;
    for (int i = 0; i < RECORD_TABLES; i++)
        table_close(&records->tables[i]);
    free(records->regions);
    free(records->threads);
    free(records->modules);
    free(records->module_paths);
    free(records->own);
    free(records->roots);
    free(records->labels);
    free(records->pools);
    free(records->objects);
    free(records->unseen);
    free(records->problems);
    arena_free(&records->arena);
    free(records);
}

/* ---- entries fetched when asked for ---- */

bool records_finding(struct records *records, size_t index, struct record_finding *finding)
{
    if (index >= records->n_findings && index - records->n_findings < records->n_unseen) {
        *finding = records->unseen[index - records->n_findings];
        return true;
    }
    return index > 0 && index < records->n_findings && table_fetch(&records->tables[RECORD_TABLE_FINDINGS], index, finding)
        && finding->state == 2 && finding->kind > RECORD_KIND_NONE && finding->kind < RECORD_KINDS;
}

const struct record_node *records_node(struct records *records, uint32_t index)
{
    if (index == 0)
        return NULL;
    const struct record_node *node = table_entry(&records->tables[RECORD_TABLE_STACKS], index);
    if (!node)
        records_problem(records, "some stacks cannot be read");
    return node;
}

const char *records_text(struct records *records, uint64_t reference)
{
    struct table *strings = &records->tables[RECORD_TABLE_STRINGS];
    if (reference == 0 || reference >= strings->count)
        return "";
    uint64_t mask = ((uint64_t)1 << strings->shape.chunk_shift) - 1;
    uint64_t left = mask + 1 - (reference & mask);
    if (left > strings->count - reference)
        left = strings->count - reference;
    const char *text = table_entry(strings, reference);
    return text && memchr(text, '\0', left) ? text : "";
}

size_t records_stack(struct records *records, uint32_t stack, const struct record_node **nodes, size_t max)
{
    size_t n = 0;
    if (records->anchor.num_callers && max > records->anchor.num_callers)
        max = records->anchor.num_callers;
    while (stack && n < max) {
        const struct record_node *node = records_node(records, stack);
        if (!node)
            break;
        nodes[n++] = node;
        stack = node->parent;
    }
    return n;
}

const struct record_module *records_module(const struct records *records, unsigned index)
{
    static const struct record_module none;
    return index < records->n_modules ? &records->modules[index] : &none;
}
