/* Baselines: comparing an image with what is known, and collecting what a run has.
 *
 *   1. The entries of an image are summed by (kind, fingerprint): places (distinct ones, see frames_place()), bytes and blocks.
 *   2. A sum is known if there is an entry, it has no more places than the entry and, with --baseline-growth, no more bytes and blocks
 *      than the percentage allows. Which of the places is the new one cannot be told, so all of a grown entry gate.
 *   3. What a run has is, for each fingerprint, the most that one image had: a build that runs the compiler more often has not
 *      grown. */
#include "baseline.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "page.h"
#include "stable_name.h"

/* ---- lists of entries ---- */

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int by_key(const void *left, const void *right)
{
    const struct baseline_entry *a = left, *b = right;
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    return strcmp(a->kind, b->kind);
}

int baseline_for_people(const void *left, const void *right)
{
    const struct baseline_entry *a = left, *b = right;
    int order = strcmp(a->kind, b->kind);
    if (!order)
        order = compare_texts(a->module, b->module);
    if (!order)
        order = compare_texts(a->function, b->function);
    if (!order)
        order = compare_texts(a->file, b->file);
    return order ? order : by_key(left, right);
}

static void forget(struct baseline_entry *entry)
{
    free(entry->kind);
    free(entry->function);
    free(entry->module);
    free(entry->file);
}

/* Where the entry is in a list sorted by key, or would be. */
static size_t place_of(const struct baseline_entry *list, size_t n, const struct baseline_entry *entry)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_key(&list[middle], entry) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void raise_to(uint64_t *value, uint64_t least)
{
    if (*value < least)
        *value = least;
}

void baseline_merge(struct baseline_entry **list, size_t *n, size_t *room, const struct baseline_entry *entry)
{
    size_t at = place_of(*list, *n, entry);
    if (at < *n && by_key(&(*list)[at], entry) == 0) {
        struct baseline_entry copy = *entry;
        raise_to(&(*list)[at].places, entry->places);
        raise_to(&(*list)[at].bytes, entry->bytes);
        raise_to(&(*list)[at].blocks, entry->blocks);
        forget(&copy);
        return;
    }
    if (*n == *room)
        *list = memory_resize(*list, *room = *room ? 2 * *room : 64, sizeof **list);
    memmove(*list + at + 1, *list + at, (*n - at) * sizeof **list);
    (*list)[at] = *entry;
    ++*n;
}

/* ---- one image ---- */

/* An error or a leak record, brought to one form. */
struct item {
    uint64_t fingerprint, place, bytes, blocks;
    const char *kind;
    const struct stack *stack;
    struct model_error *error;  /* or */
    struct model_leak *leak;
};

static int by_item(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    int order = strcmp(a->kind, b->kind);
    return order ? order : a->place < b->place ? -1 : a->place > b->place;
}

/* The items of a model in order of (fingerprint, kind, place); owned by the caller. */
static size_t items_of(const struct model *model, struct item **items)
{
    size_t n = 0;
    struct item *list = *items = memory_new(model->n_errors + model->n_leak_records + 1, sizeof *list);
    for (size_t i = 0; i < model->n_errors; i++) {
        struct model_error *error = &model->errors[i];
        if (error->suppressed || error->severity != RECORD_SEVERITY_ERROR)
            continue;
        const struct stack *stack = error->stack.n || !error->block ? &error->stack : &error->block->alloc_stack;
        list[n++] = (struct item){.fingerprint = error->fingerprint, .place = frames_place(stack), .kind = error->kind_name,
                                  .stack = stack, .error = error};
    }
    for (size_t i = 0; i < model->n_leak_records; i++) {
        struct model_leak *leak = &model->leak_records[i];
        if (leak->suppressed)
            continue;
        list[n++] = (struct item){.fingerprint = leak->fingerprint, .place = frames_place(&leak->stack), .stack = &leak->stack,
                                  .kind = leak->raw.kind == LEAK_REACHABLE ? "reachable" : "leak", .leak = leak,
                                  .bytes = leak->raw.bytes + (leak->raw.kind == LEAK_DEFINITE ? leak->raw.indirect_bytes : 0),
                                  .blocks = leak->raw.blocks + (leak->raw.kind == LEAK_DEFINITE ? leak->raw.indirect_blocks : 0)};
    }
    qsort(list, n, sizeof *list, by_item);
    return n;
}

/* Sums the items from `first` on that belong together into *sum (without texts; kind borrowed). Returns where the next ones begin. */
static size_t sum_up(const struct item *items, size_t n, size_t first, struct baseline_entry *sum)
{
    *sum = (struct baseline_entry){.fingerprint = items[first].fingerprint, .kind = (char *)(uintptr_t)items[first].kind};
    size_t i = first;
    for (; i < n && items[i].fingerprint == sum->fingerprint && strcmp(items[i].kind, sum->kind) == 0; i++) {
        sum->places += i == first || items[i].place != items[i - 1].place;
        sum->bytes += items[i].bytes;
        sum->blocks += items[i].blocks;
    }
    return i;
}

static bool too_much(uint64_t now, uint64_t then, uint64_t percent)
{
    return (double)now > (double)then + (double)then * (double)percent / 100;
}

/* What has grown, as a text in the arena; NULL: nothing has. */
static const char *growth_of(const struct baseline *baseline, struct arena *arena, const struct baseline_entry *now,
                             const struct baseline_entry *then)
{
    if (now->places > then->places)
        return arena_format(arena, "at %s places, where the baseline knows %s", PAGE_COUNT(now->places), PAGE_COUNT(then->places));
    if (!baseline->by_size)
        return NULL;
    if (too_much(now->bytes, then->bytes, baseline->percent))
        return arena_format(arena, "grown to %s bytes from the baseline's %s", PAGE_COUNT(now->bytes), PAGE_COUNT(then->bytes));
    if (too_much(now->blocks, then->blocks, baseline->percent))
        return arena_format(arena, "grown to %s blocks from the baseline's %s", PAGE_COUNT(now->blocks), PAGE_COUNT(then->blocks));
    return NULL;
}

void baseline_apply(const struct baseline *baseline, struct model *model)
{
    struct item *items;
    struct baseline_entry sum;
    size_t n = items_of(model, &items);
    for (size_t first = 0, next; first < n; first = next) {
        next = sum_up(items, n, first, &sum);
        size_t at = place_of(baseline->known, baseline->n_known, &sum);
        const struct baseline_entry *then = at < baseline->n_known && by_key(&baseline->known[at], &sum) == 0 ? &baseline->known[at] : NULL;
        const char *growth = then ? growth_of(baseline, &model->arena, &sum, then) : NULL;
        for (size_t i = first; i < next; i++) {
            bool known = (then && !growth) || baseline->accept;
            if (items[i].error) {
                items[i].error->baseline = known;
                items[i].error->growth = growth;
            } else {
                items[i].leak->baseline = known;
                items[i].leak->growth = growth;
            }
        }
    }
    free(items);
}

static char *copy_text(const char *text)
{
    if (!text)
        return NULL;
    size_t n = strlen(text) + 1;
    return memcpy(memory_new(1, n), text, n);
}

/* The texts of an entry: where a reader of the baseline would look. */
static void describe(struct baseline_entry *entry, const struct item *item)
{
    const struct frame *guilty = frames_guilty(item->stack);
    char name[512];
    entry->kind = copy_text(item->kind);
    if (!guilty)
        return;
    if (guilty->function) {
        stable_name(guilty->function, name, sizeof name);
        entry->function = copy_text(name);
    }
    entry->module = guilty->module ? copy_text(frames_basename(guilty->module)) : NULL;
    entry->file = guilty->file ? copy_text(frames_basename(guilty->file)) : NULL;
}

static void note_modules(struct baseline *baseline, const struct records *records)
{
    for (size_t i = 0; i < baseline->n_known; i++)
        for (size_t k = 1; k < records->n_modules && !baseline->known[i].loaded && baseline->known[i].module; k++)
            baseline->known[i].loaded = records->module_paths[k]
                                     && strcmp(frames_basename(records->module_paths[k]), baseline->known[i].module) == 0;
}

void baseline_note(struct baseline *baseline, const struct model *model)
{
    struct item *items;
    struct baseline_entry sum;
    size_t n = items_of(model, &items);
    note_modules(baseline, model->records);
    for (size_t first = 0, next; first < n; first = next) {
        next = sum_up(items, n, first, &sum);
        size_t at = place_of(baseline->known, baseline->n_known, &sum);
        if (at < baseline->n_known && by_key(&baseline->known[at], &sum) == 0)
            baseline->known[at].seen = true;
        describe(&sum, &items[first]);
        baseline_merge(&baseline->found, &baseline->n_found, &baseline->room_found, &sum);
    }
    free(items);
}

bool baseline_has_vanished(const struct baseline_entry *entry)
{
    return !entry->seen && (entry->loaded || !entry->module);
}

void baseline_free(struct baseline *baseline)
{
    if (!baseline)
        return;
    for (size_t i = 0; i < baseline->n_known; i++)
        forget(&baseline->known[i]);
    for (size_t i = 0; i < baseline->n_found; i++)
        forget(&baseline->found[i]);
    free(baseline->known);
    free(baseline->found);
    free(baseline);
}
