/* Suppression rules: which findings they fit. How rules are written is told in suppressions_read.c.
 *
 * The first rule that fits counts. A rule of Valgrind's must fit the innermost frames in order, one pattern a frame, an ellipsis any
 * number; one of LeakSanitizer's fits if any frame has its template. What is suppressed is marked, not removed: totals and
 * counts move to the suppressed ones.
 *
 * Files written for Valgrind fit here, although some frames look different there:
 *   - C++ functions are known by their mangled names; the demangled ones that our reports show fit as well;
 *   - strdup has malloc in front of it, and a checked call (strcpy, memcpy …) is a frame: with that frame and without it a rule fits;
 *   - libc's frames below main are called (below main), and versioned functions name@@VERSION;
 *   - Valgrind's own library, where a rule names it, is ours; /lib and /usr/lib are one.
 *
 * A rule with a limit suppresses nothing in an image in which the leaks that it fits go beyond the limit. */
#include "suppression_rules.h"

#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "memory.h"
#include "page.h"

unsigned suppression_subject(enum record_kind kind)
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

const struct stack *suppression_stack(const struct model_error *error)
{
    return error->stack.n || !error->block ? &error->stack : &error->block->alloc_stack;
}

const char *suppression_front(const struct stack *stack, const char *call_name)
{
    const struct frame *first = stack->n ? stack->frames[0] : NULL;
    if (first && first->entry && first->function
        && (strcmp(first->function, "strdup") == 0 || strcmp(first->function, "strndup") == 0 || strcmp(first->function, "wcsdup") == 0))
        return "malloc";
    if (call_name && first && !first->entry && !(first->function && strcmp(first->function, call_name) == 0))
        return call_name;
    return NULL;
}

/* ---- a frame ---- */

static bool fits_text(const char *pattern, const char *text)
{
    return text && glob_fits(pattern, text, strlen(text), true);
}

static bool below_main(const char *function)
{
    return strncmp(function, "__libc_start", 12) == 0 || strcmp(function, "_start") == 0;
}

static bool fits_function(const struct pattern *pattern, const struct frame *frame)
{
    const char *text = pattern->text, *version = strstr(text, "@");
    if (!frame->function)
        return fits_text(text, "???");
    if (fits_text(text, frame->function) || fits_text(text, frame->linkage)
        || (pattern->demangled && strcmp(pattern->demangled, frame->function) == 0))
        return true;
    if (strcmp(text, "(below main)") == 0)
        return below_main(frame->function);
    /* name@@GLIBC_2.2.5: no name of ours has a version */
    return version && version != text && strlen(frame->function) == (size_t)(version - text)
        && strncmp(frame->function, text, (size_t)(version - text)) == 0;
}

static bool fits_object(const char *pattern, const struct frame *frame)
{
    const char *module = frame->module ? frame->module : "???";
    if (fits_text(pattern, module))
        return true;
    if (strncmp(module, "/usr/lib", 8) == 0 && fits_text(pattern, module + 4))
        return true;
    if (strncmp(module, "/lib", 4) == 0 && strncmp(pattern, "/usr/lib", 8) == 0 && fits_text(pattern + 4, module))
        return true;
    return frame->entry && strstr(pattern, "vgpreload");
}

static bool fits_frame(const struct pattern *pattern, const struct frame *frame)
{
    switch (pattern->kind) {
    case PATTERN_FUNCTION:
        return fits_function(pattern, frame);
    case PATTERN_OBJECT:
        return fits_object(pattern->text, frame);
    case PATTERN_SOURCE:
        return frame->file && (pattern->line == 0 || pattern->line == frame->line)
            && (fits_text(pattern->text, frame->file) || fits_text(pattern->text, frames_basename(frame->file)));
    case PATTERN_ELLIPSIS:
        return true;
    }
    return false;
}

/* ---- a stack ---- */

/* Do the rule's frames fit the innermost ones of the stack, with `front` before them where that is not NULL? As for wildcards in
 * text: an ellipsis first takes no frame, and one more each time that what follows it does not fit. */
static bool fits_stack(const struct rule *rule, const struct stack *stack, const struct frame *front)
{
    size_t more = front ? 1 : 0, n = stack->n + more, pattern = 0, frame = 0, retry_pattern = SIZE_MAX, retry_frame = 0;
    while (pattern < rule->n_patterns) {
        if (rule->patterns[pattern].kind == PATTERN_ELLIPSIS) {
            retry_pattern = ++pattern;
            retry_frame = frame;
        } else if (frame < n && fits_frame(&rule->patterns[pattern], frame < more ? front : stack->frames[frame - more])) {
            pattern++;
            frame++;
        } else if (retry_pattern != SIZE_MAX && retry_frame < n) {
            pattern = retry_pattern;
            frame = ++retry_frame;
        } else {
            return false;
        }
    }
    return true;
}

static bool fits_template(const char *template, const char *text)
{
    return text && glob_fits(template, text, strlen(text), false);
}

static bool fits(const struct rule *rule, unsigned subject, const struct stack *stack, const char *call_name)
{
    if (!(rule->subjects & subject))
        return false;
    if (!rule->template) {
        const char *name = suppression_front(stack, call_name);
        const struct frame front = {.function = name, .entry = true};
        return fits_stack(rule, stack, NULL) || (name && fits_stack(rule, stack, &front));
    }
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        if (fits_template(rule->template, frame->function) || fits_template(rule->template, frame->linkage)
            || fits_template(rule->template, frame->module) || fits_template(rule->template, frame->file))
            return true;
    }
    return false;
}

static struct rule *find(struct suppressions *all, unsigned subject, int leak_kind, const struct stack *stack, const char *call_name)
{
    for (size_t i = 0; i < all->n_rules; i++)
        if ((leak_kind < 0 || all->rules[i]->leak_kinds & 1u << leak_kind) && fits(all->rules[i], subject, stack, call_name))
            return all->rules[i];
    return NULL;
}

static bool has_limit(const struct model_rule *rule)
{
    return rule->max_bytes != UINT64_MAX || rule->max_blocks != UINT64_MAX;
}

bool suppressions_excuse(void *ctx, const struct stack *stack)
{
    struct rule *rule = find(ctx, ABOUT_LEAKS, LEAK_DEFINITE, stack, NULL);
    return rule && !has_limit(&rule->told);
}

/* ---- a model ---- */

static void move(struct leak_total *total, uint64_t bytes, uint64_t blocks)
{
    total->bytes -= bytes < total->bytes ? bytes : total->bytes;
    total->blocks -= blocks < total->blocks ? blocks : total->blocks;
}

/* Takes back what a rule suppressed, when it is more than the rule allows. */
static void hold_to_limit(struct model *model, const struct rule *rule)
{
    uint64_t bytes = 0, blocks = 0;
    for (size_t i = 0; i < model->n_leak_records; i++)
        if (model->leak_records[i].rule == &rule->told) {
            bytes += model->leak_records[i].raw.bytes;
            blocks += model->leak_records[i].raw.blocks;
        }
    if (bytes <= rule->told.max_bytes && blocks <= rule->told.max_blocks)
        return;
    for (size_t i = 0; i < model->n_leak_records; i++)
        if (model->leak_records[i].rule == &rule->told) {
            model->leak_records[i].rule = NULL;
            model->leak_records[i].suppressed = false;
        }
    model->coverage = memory_resize(model->coverage, model->n_coverage + 1, sizeof *model->coverage);
    model->coverage[model->n_coverage++] = arena_format(&model->arena,
        "suppression \"%s\" (%s:%u) allows less than it fits, %s: it suppresses nothing here",
        rule->told.name, rule->told.file, rule->told.line, page_amount((char[PAGE_AMOUNT]){0}, bytes, blocks));
}

void suppressions_apply(struct suppressions *suppressions, struct model *model)
{
    struct rule *rule;
    for (size_t i = 0; i < model->n_errors; i++) {
        struct model_error *error = &model->errors[i];
        if (error->suppressed
            || !(rule = find(suppressions, suppression_subject(error->kind), -1, suppression_stack(error), error->call_name)))
            continue;
        error->suppressed = true;
        error->rule = &rule->told;
    }
    if (!model->leaks)
        return;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        struct model_leak *leak = &model->leak_records[i];
        if (leak->suppressed || !(rule = find(suppressions, ABOUT_LEAKS, (int)leak->raw.kind, &leak->stack, NULL)))
            continue;
        leak->suppressed = true;
        leak->rule = &rule->told;
    }
    for (size_t i = 0; i < suppressions->n_rules; i++)
        if (has_limit(&suppressions->rules[i]->told))
            hold_to_limit(model, suppressions->rules[i]);
    for (size_t i = 0; i < model->n_leak_records; i++) {
        struct model_leak *leak = &model->leak_records[i];
        if (!leak->rule || leak->moved)
            continue;
        leak->moved = true;
        leak->excuses = leak->raw.kind == LEAK_DEFINITE && !has_limit(leak->rule);
        move(&model->leaks->totals[leak->raw.kind], leak->raw.bytes, leak->raw.blocks);
    }
}

void suppressions_count(struct suppressions *suppressions, const struct model *model)
{
    struct model_rule_use *uses;
    size_t n = model_rules_used(model, &uses);
    for (size_t i = 0; suppressions && i < n; i++)
        for (size_t k = 0; k < suppressions->n_rules; k++)
            if (uses[i].rule == &suppressions->rules[k]->told) {
                suppressions->rules[k]->told.findings += uses[i].findings;
                suppressions->rules[k]->told.bytes += uses[i].bytes;
                suppressions->rules[k]->told.blocks += uses[i].blocks;
            }
    free(uses);
}

size_t suppressions_used(const struct suppressions *suppressions, bool used, const struct model_rule ***list)
{
    size_t n = 0;
    *list = NULL;
    if (!suppressions)
        return 0;
    *list = memory_new(suppressions->n_rules + 1, sizeof **list);
    for (size_t i = 0; i < suppressions->n_rules; i++)
        if (suppressions->rules[i]->subjects && (suppressions->rules[i]->told.findings != 0) == used)
            (*list)[n++] = &suppressions->rules[i]->told;
    return n;
}

void suppressions_free(struct suppressions *suppressions)
{
    if (!suppressions)
        return;
    for (size_t i = 0; i < suppressions->n_rules; i++) {
        struct rule *rule = suppressions->rules[i];
        for (size_t j = 0; j < rule->n_patterns; j++) {
            free(rule->patterns[j].text);
            free(rule->patterns[j].demangled);
        }
        free(rule->patterns);
        free(rule->template);
        free(rule->name);
        free(rule->file);
        free(rule);
    }
    free(suppressions->rules);
    free(suppressions);
}
