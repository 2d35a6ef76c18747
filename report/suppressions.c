/* Suppression rules: which findings they fit. How rules are written is told in suppressions_read.c.
 *
 * The first rule that fits counts. A rule of Valgrind's must fit the innermost frames in order, one pattern a frame, an ellipsis any
 * number; one of LeakSanitizer's fits if any frame has its template. What is suppressed is marked, not removed: totals and
 * counts move to the suppressed ones. */
#include "suppression_rules.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static unsigned subject_of(enum record_kind kind)
{
    switch (kind) {
    case RECORD_KIND_DOUBLE_FREE: case RECORD_KIND_INVALID_FREE: case RECORD_KIND_INTERIOR_FREE:
    case RECORD_KIND_ALLOC_DEALLOC_MISMATCH: case RECORD_KIND_SIZED_DELETE_MISMATCH:
        return ABOUT_FREE;
    case RECORD_KIND_OVERLAPPING_COPY:
        return ABOUT_OVERLAP;
    case RECORD_KIND_BAD_ALLOCATION_SIZE:
        return ABOUT_SIZE;
    case RECORD_KIND_UNINITIALISED_OUTPUT:
        return ABOUT_OUTPUT;
    default:
        return ABOUT_ACCESS;
    }
}

static bool fits_text(const char *pattern, const char *text)
{
    return text && fnmatch(pattern, text, 0) == 0;
}

static bool fits_frame(const struct pattern *pattern, const struct frame *frame)
{
    switch (pattern->kind) {
    case PATTERN_FUNCTION:
        return fits_text(pattern->text, frame->function ? frame->function : "???")
            || (pattern->demangled && frame->function && strcmp(pattern->demangled, frame->function) == 0);
    case PATTERN_OBJECT:
        return fits_text(pattern->text, frame->module ? frame->module : "???");
    case PATTERN_SOURCE:
        return frame->file && (pattern->line == 0 || pattern->line == frame->line)
            && (fits_text(pattern->text, frame->file) || fits_text(pattern->text, frames_basename(frame->file)));
    case PATTERN_ELLIPSIS:
        return true;
    }
    return false;
}

/* Do the rule's frames fit the innermost ones of the stack? As for wildcards in text: an ellipsis first takes no frame, and
 * one more each time that what follows it does not fit. */
static bool fits_stack(const struct rule *rule, const struct stack *stack)
{
    size_t pattern = 0, frame = 0, retry_pattern = SIZE_MAX, retry_frame = 0;
    while (pattern < rule->n_patterns) {
        if (rule->patterns[pattern].kind == PATTERN_ELLIPSIS) {
            retry_pattern = ++pattern;
            retry_frame = frame;
        } else if (frame < stack->n && fits_frame(&rule->patterns[pattern], stack->frames[frame])) {
            pattern++;
            frame++;
        } else if (retry_pattern != SIZE_MAX && retry_frame < stack->n) {
            pattern = retry_pattern;
            frame = ++retry_frame;
        } else {
            return false;
        }
    }
    return true;
}

static bool fits(const struct rule *rule, unsigned subject, const struct stack *stack)
{
    if (!(rule->subjects & subject))
        return false;
    if (!rule->anywhere)
        return fits_stack(rule, stack);
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        if (fits_text(rule->template, frame->function) || fits_text(rule->template, frame->module)
            || fits_text(rule->template, frame->file))
            return true;
    }
    return false;
}

static struct rule *find(struct suppressions *all, unsigned subject, int leak_kind, const struct stack *stack)
{
    for (size_t i = 0; i < all->n_rules; i++)
        if ((leak_kind < 0 || all->rules[i].leak_kinds & 1u << leak_kind) && fits(&all->rules[i], subject, stack))
            return &all->rules[i];
    return NULL;
}

static void move(struct leak_total *from, struct leak_total *to, uint64_t bytes, uint64_t blocks)
{
    from->bytes -= bytes < from->bytes ? bytes : from->bytes;
    from->blocks -= blocks < from->blocks ? blocks : from->blocks;
    to->bytes += bytes;
    to->blocks += blocks;
}

void suppressions_apply(struct suppressions *suppressions, struct model *model)
{
    struct rule *rule;
    for (size_t i = 0; i < model->n_errors; i++) {
        struct model_error *error = &model->errors[i];
        if (error->suppressed || !(rule = find(suppressions, subject_of(error->kind), -1, &error->stack)))
            continue;
        error->suppressed = true;
        model->n_suppressed_errors++;
        rule->hits++;
    }
    for (size_t i = 0; i < model->n_leak_records && model->leaks; i++) {
        struct model_leak *leak = &model->leak_records[i];
        if (leak->suppressed || !(rule = find(suppressions, ABOUT_LEAKS, (int)leak->raw.kind, &leak->stack)))
            continue;
        leak->suppressed = true;
        rule->hits++;
        move(&model->leaks->totals[leak->raw.kind], &model->suppressed_leaks, leak->raw.bytes, leak->raw.blocks);
    }
}

void suppressions_free(struct suppressions *suppressions)
{
    if (!suppressions)
        return;
    for (size_t i = 0; i < suppressions->n_rules; i++) {
        struct rule *rule = &suppressions->rules[i];
        for (size_t j = 0; j < rule->n_patterns; j++) {
            free(rule->patterns[j].text);
            free(rule->patterns[j].demangled);
        }
        free(rule->patterns);
        free(rule->template);
    }
    free(suppressions->rules);
    free(suppressions);
}
