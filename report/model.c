/* Putting a report together: process, threads, findings, leaks, statistics, what is not covered, and the verdict. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "model_parts.h"
#include "page.h"
#include "records_marks.h"

static void cover(struct model *model, const char *line)
{
    model->coverage = memory_resize(model->coverage, model->n_coverage + 1, sizeof *model->coverage);
    model->coverage[model->n_coverage++] = line;
}

static void process_of(struct model *model)
{
    const struct records *records = model->records;
    const struct record_anchor *anchor = &records->anchor;
    model->pid = anchor->pid;
    model->parent_pid = anchor->parent_pid;
    model->image = anchor->image;
    model->generation = anchor->generation;
    if (records->image) {
        model->snapshot = records->image->snapshot;
        model->taken = records->image->time;
    }
    for (size_t at = 0; at < records->command_bytes; at += strlen(records->command + at) + 1)
        model->argc++;
    model->argv = arena_new(&model->arena, (model->argc + 1) * sizeof *model->argv);
    size_t argc = 0;
    for (size_t at = 0; at < records->command_bytes; at += strlen(records->command + at) + 1)
        model->argv[argc++] = records->command + at;
    switch (anchor->end) {
    case RECORD_END_RETURN:
    case RECORD_END_EXIT:
    case RECORD_END_IMMEDIATE:
        model->exit = MODEL_EXIT_CODE;
        model->exit_value = anchor->end_status & 255;
        break;
    case RECORD_END_SIGNAL:
        model->exit = MODEL_EXIT_SIGNAL;
        model->exit_value = anchor->end_status;
        break;
    default:
        break;
    }
}

static void threads_of(struct model *model, struct symbols *symbols)
{
    static const char *const states[] = {"none", "running", "parked", "ended", "gone"};
    const struct records *records = model->records;
    model->threads = memory_new(records->n_threads, sizeof *model->threads);
    for (size_t i = 1; i < records->n_threads; i++) {
        const struct record_thread *raw = &records->threads[i];
        if (raw->state == RECORD_THREAD_NONE || raw->state >= sizeof states / sizeof *states)
            continue;
        struct model_thread *thread = &model->threads[model->n_threads++];
        thread->id = (uint32_t)i;
        thread->tid = raw->tid;
        thread->name = raw->name;
        thread->state = states[raw->state];
        thread->creator = raw->creator;
        if (raw->create_stack)
            thread->created = frames_of(model->records, symbols, &model->arena, raw->create_stack, RECORD_BY_NONE);
    }
}

const struct model_thread *model_thread(const struct model *model, uint32_t index)
{
    size_t low = 0, high = model->n_threads;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->threads[middle].id < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < model->n_threads && model->threads[low].id == index ? &model->threads[low] : NULL;
}

static void statistics_of(struct model *model)
{
    const struct records *records = model->records;
    const struct record_anchor *anchor = &records->anchor;
    model->allocations = anchor->allocations;
    model->frees = anchor->frees;
    model->allocated_bytes = anchor->allocated_bytes;
    model->freed_bytes = anchor->freed_bytes;
    model->held_briefly = anchor->held_briefly;
    for (size_t i = 1; i < records->n_threads; i++) {
        const struct record_thread *thread = &records->threads[i];
        model->allocations += thread->allocations;
        model->frees += thread->frees;
        model->allocated_bytes += thread->allocated_bytes;
        model->freed_bytes += thread->freed_bytes;
        model->held_briefly += thread->held_briefly;
    }
    /* The anchor's own figure of living blocks lags behind by what threads have not yet folded in. */
    model->live_bytes = model->allocated_bytes - model->freed_bytes;
    model->live_blocks = model->allocations - model->frees;
    model->peak_bytes = anchor->peak_bytes > model->live_bytes ? anchor->peak_bytes : model->live_bytes;
}

double model_inner_fragmentation(const struct record_engine_stats *stats)
{
    if (!stats->occupied || stats->requested >= stats->occupied)
        return 0;
    return (double)(stats->occupied - stats->requested) / (double)stats->occupied;
}

double model_outer_fragmentation(const struct record_engine_stats *stats)
{
    if (!stats->free_bytes || stats->largest_free >= stats->free_bytes)
        return 0;
    return 1 - (double)stats->largest_free / (double)stats->free_bytes;
}

/* Why one side of blocks was open. */
static void watchpoints_of(struct model *model, const struct record_anchor *anchor)
{
    static const char open[] = "of a block between page guards, reads on the side away from the guard page, and between its end and the page, "
                               "go unseen, and writes are seen later";
    const char *why = NULL;
    if (anchor->coverage & RECORD_COVER_WATCH_OFF)
        why = "hardware watchpoints are off (--watchpoints=no)";
    else if (anchor->coverage & RECORD_COVER_WATCH_DEBUGGED)
        why = "hardware watchpoints stood aside for a debugger";
    else if (anchor->coverage & RECORD_COVER_WATCH_LOST)
        why = "hardware watchpoints were lost: the program closed their descriptors or entered a sandbox";
    else if ((anchor->coverage & RECORD_COVER_WATCH_REFUSED) && anchor->watch_error)
        why = arena_format(&model->arena, "the kernel refused hardware watchpoints (%s)",
                           anchor->watch_error < 4096 ? strerror((int)anchor->watch_error) : "unknown error");
    else if (anchor->coverage & RECORD_COVER_WATCH_REFUSED)
        why = "there are no hardware watchpoints here (they take x86-64 and Linux 5.19)";
    if (why)
        cover(model, arena_format(&model->arena, "%s: %s", why, open));
}

static void coverage_of(struct model *model, struct symbols *symbols)
{
    const struct records *records = model->records;
    const struct record_anchor *anchor = &records->anchor;
    static const struct { uint64_t bit; const char *line; } bits[] = {
        {RECORD_COVER_NO_UNWINDER, "libunwind could not be opened: some stacks end early"},
        {RECORD_COVER_LIBC_KEPT, "other threads were running (or were when the process was forked), so libc did not release its own blocks before the check: they count as reachable"},
        {RECORD_COVER_STATIC_ALLOCATOR, "a module brings an allocator of its own: blocks from it are not covered"},
    };
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (anchor->coverage & bits[i].bit)
            cover(model, bits[i].line);
    watchpoints_of(model, anchor);
    if (model->held_briefly)
        cover(model, arena_format(&model->arena, "%llu of %llu freed blocks, of call stacks that free many, were held back only for as long as they "
                                  "stay in the processor's cache: what was written to them later than that was not seen (--quarantine-sample=1: all alike)",
                                  (unsigned long long)model->held_briefly, (unsigned long long)model->frees));
    if (anchor->unrecorded_blocks)
        cover(model, arena_format(&model->arena, "%s block%s (%s bytes) %s allocated without a record, because memory for records ran out",
                                  PAGE_COUNT(anchor->unrecorded_blocks), anchor->unrecorded_blocks == 1 ? "" : "s",
                                  PAGE_COUNT(anchor->unrecorded_bytes), anchor->unrecorded_blocks == 1 ? "was" : "were"));
    if (anchor->lost_stacks)
        cover(model, arena_format(&model->arena, "%s stack%s not recorded, because memory for them ran out", PAGE_COUNT(anchor->lost_stacks),
                                  anchor->lost_stacks == 1 ? " was" : "s were"));
    if (anchor->lost_findings)
        cover(model, arena_format(&model->arena, "%s more finding%s made than there is room for: not listed", PAGE_COUNT(anchor->lost_findings),
                                  anchor->lost_findings == 1 ? " was" : "s were"));
    if (model->leaks && model->leaks->inherited.blocks)
        cover(model, arena_format(&model->arena, "%s lost block%s (%s bytes) %s allocated before the fork: the parent's to report",
                                  PAGE_COUNT(model->leaks->inherited.blocks), model->leaks->inherited.blocks == 1 ? "" : "s",
                                  PAGE_COUNT(model->leaks->inherited.bytes), model->leaks->inherited.blocks == 1 ? "was" : "were"));
    if (model->no_leaks_why)
        cover(model, arena_format(&model->arena, "no leak check: %s", model->no_leaks_why));
    for (size_t i = 0; i < records->n_problems; i++)
        cover(model, records->problems[i]);
    const char *const *notes;
    size_t n = symbols_notes(symbols, &notes);
    for (size_t i = 0; i < n; i++)
        cover(model, notes[i]);
}

/* ---- all of it ---- */

static struct model *begin(struct records *records, struct symbols *symbols, const struct model_options *options)
{
    struct model *model = memory_new(1, sizeof *model);
    model->records = records;
    model->options = *options;
    process_of(model);
    threads_of(model, symbols);
    return model;
}

/* Of one that was met before, the larger count stays. */
static bool is_repeated(struct model_error *errors, size_t n, const struct model_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (model_same_line(&errors[i], error)) {
            errors[i].count = errors[i].count > error->count ? errors[i].count : error->count;
            return true;
        }
    return false;
}

static void errors_of(struct model *model, struct symbols *symbols)
{
    size_t room = 0;
    struct model_error error, *errors = NULL;
    for (size_t i = 1; i < model->records->n_findings + model->records->n_unseen; i++) {
        if (!model_finding(model, symbols, i, &error) || is_repeated(errors, model->n_errors, &error))
            continue;
        if (model->n_errors == room)
            errors = memory_resize(errors, room = room ? 2 * room : 16, sizeof *errors);
        errors[model->n_errors++] = error;
    }
    model->errors = arena_new(&model->arena, model->n_errors * sizeof *errors);
    if (model->n_errors)
        memcpy(model->errors, errors, model->n_errors * sizeof *errors);
    free(errors);
}

struct model *model_new(struct records *records, struct symbols *symbols, const struct model_options *options)
{
    struct model *model = begin(records, symbols, options);
    errors_of(model, symbols);
    model_leaks(model, symbols);
    model_slots(model, symbols);
    statistics_of(model);
    coverage_of(model, symbols);
    for (size_t i = 0; i < model->n_errors; i++)
        if (model->errors[i].kind == RECORD_KIND_INVALID_ACCESS && model->exit == MODEL_EXIT_SIGNAL)
            model->exit_stack = model->errors[i].stack;
    model_judge(model);
    return model;
}

struct model *model_new_finding(struct records *records, struct symbols *symbols, size_t index, const struct model_options *options)
{
    struct model *model = begin(records, symbols, options);
    model->errors = arena_new(&model->arena, sizeof *model->errors);
    if (!model_finding(model, symbols, index, &model->errors[0])) {
        model_free(model);
        return NULL;
    }
    model->n_errors = 1;
    model_judge(model);
    return model;
}

struct model *model_new_about(struct records *records, struct symbols *symbols, uint64_t address, const struct model_options *options)
{
    struct model *model = begin(records, symbols, options);
    const struct record_object *object = records_object_at(records, address);
    struct records_found found;
    model->about_address = address;
    if (object)
        model->about = model_block(model, symbols, object->address, &object->block, records_pool(records, object));
    else if (records_block_at(records, address, &found) && record_head_state(found.block.head) >= RECORD_BLOCK_LIVE)
        model->about = model_block(model, symbols, found.address, &found.block, NULL);
    model_judge(model);
    return model;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    leaks_free(model->leaks);
    free(model->leak_records);
    free(model->threads);
    free(model->coverage);
    arena_free(&model->arena);
    free(model);
}
