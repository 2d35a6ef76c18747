/* The report as memcheck writes it to a terminal or a log.
 *
 * Lines are made without what stands in front of each (==PID==): whoever writes them adds it (place.c), as errors come one at a
 * time while the program runs. An empty line ends each paragraph.
 *
 *   banner            who this is, the command
 *   an error          at once: sentence, stack, what the address is
 *   the end           the signal it died of; the heap; leak records, the smallest first; the leak table; how many errors */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "render.h"
#include "valgrind.h"

struct sheet {
    const struct valgrind_style *style;
    struct arena arena;
    FILE *out;
};

static void put_text(const struct sheet *sheet, const char *text)
{
    render_escaped(text, strlen(text), sheet->out);
}

static const char *number(struct sheet *sheet, uint64_t value)
{
    return valgrind_number(value, &sheet->arena);
}

/* ---- stacks ---- */

static const char *shown_path(const struct valgrind_style *style, const char *path)
{
    if (!style->whole_paths)
        return frames_basename(path);
    for (size_t i = 0; i < style->n_strip; i++) {
        const char *found = *style->strip[i] ? strstr(path, style->strip[i]) : NULL;
        if (found)
            return found + strlen(style->strip[i]);
    }
    return path;
}

static void put_stack(struct sheet *sheet, const struct stack *stack)
{
    size_t depth = valgrind_depth(stack, sheet->style);
    for (size_t i = 0; i < depth; i++) {
        const struct frame *frame = stack->frames[i];
        fprintf(sheet->out, "   %s 0x%llX: ", i ? "by" : "at", (unsigned long long)valgrind_pc(stack, i));
        put_text(sheet, frame->function ? frame->function : "???");
        if (frame->file) {
            fputs(" (", sheet->out);
            put_text(sheet, shown_path(sheet->style, frame->file));
            fprintf(sheet->out, ":%u)", frame->line);
        } else if (frame->module) {
            fputs(" (in ", sheet->out);
            put_text(sheet, frame->module);
            fputc(')', sheet->out);
        }
        fputc('\n', sheet->out);
    }
}

/* ---- errors ---- */

static void put_words(struct sheet *sheet, const struct valgrind_words *words)
{
    put_text(sheet, words->what);
    fputc('\n', sheet->out);
    if (words->stack)
        put_stack(sheet, words->stack);
    for (size_t i = 0; i < words->n_parts; i++) {
        fputc(' ', sheet->out);
        put_text(sheet, words->parts[i].text);
        fputc('\n', sheet->out);
        if (words->parts[i].stack)
            put_stack(sheet, words->parts[i].stack);
    }
    fputc('\n', sheet->out);
}

static void put_mark(const struct sheet *sheet, const char *mark)
{
    if (mark) {
        put_text(sheet, mark);
        fputc('\n', sheet->out);
    }
}

static void put_thread(const struct sheet *sheet, const struct model_error *error)
{
    if (!error->thread || error->thread->id == 1)
        return;
    fprintf(sheet->out, "Thread %u", error->thread->id);
    if (error->thread->name[0]) {
        fputc(' ', sheet->out);
        put_text(sheet, error->thread->name);
    }
    fputs(":\n", sheet->out);
}

void render_valgrind_error(const struct model *model, const struct model_error *error, const struct valgrind_style *style, FILE *out)
{
    struct sheet sheet = {.style = style, .out = out};
    struct valgrind_words words;
    if (valgrind_words(error, &sheet.arena, &words)) {
        put_mark(&sheet, style->marks[0]);
        put_thread(&sheet, error);
        put_words(&sheet, &words);
        if (model->options.gen_suppressions)
            render_error_suppression(error, out);
        put_mark(&sheet, style->marks[1]);
    } else if (error->severity != RECORD_SEVERITY_ERROR && !style->quiet) {
        fprintf(out, "midden: %s: ", error->severity_name);
        put_text(&sheet, error->message);
        fputc('\n', out);
        put_stack(&sheet, &error->stack);
        fputc('\n', out);
    }
    arena_free(&sheet.arena);
}

/* ---- banner ---- */

void render_valgrind_banner(char *const *argv, const char *command, const struct valgrind_style *style, FILE *out)
{
    struct sheet sheet = {.style = style, .out = out};
    fputs("midden-valgrind " MIDDEN_VERSION ", a heap debugger and leak checker with memcheck's command line\n"
          "The program runs natively on midden's heap; errors and leaks are told in memcheck's forms\n"
          "Command:", out);
    if (!argv) {
        fputc(' ', out);
        put_text(&sheet, command);
    }
    for (; argv && *argv; argv++) {
        fputc(' ', out);
        put_text(&sheet, *argv);
    }
    fputc('\n', out);
    for (size_t i = 0; i < style->n_notes; i++) {
        put_text(&sheet, style->notes[i]);
        fputc('\n', out);
    }
    fputc('\n', out);
}

/* ---- the end ---- */

static void fatal_part(struct sheet *sheet, const struct model *model)
{
    const struct model_error *error = valgrind_fatal(model);
    if (model->exit != MODEL_EXIT_SIGNAL)
        return;
    const char *name = sigabbrev_np(model->exit_value);
    fprintf(sheet->out, "\nProcess terminating with default action of signal %d", model->exit_value);
    if (name)
        fprintf(sheet->out, " (SIG%s)", name);
    fputc('\n', sheet->out);
    if (error && (model->exit_value == SIGSEGV || model->exit_value == SIGBUS)) {
        bool there = error->raw.detail != RECORD_DETAIL_UNMAPPED && error->raw.detail != RECORD_DETAIL_NULL
                  && error->raw.detail != RECORD_DETAIL_NONE;
        fprintf(sheet->out, " %s at address 0x%llX\n", there ? "Bad permissions for mapped region" : "Access not within mapped region",
                (unsigned long long)error->address);
    }
    if (error)
        put_stack(sheet, &error->stack);
}

static void heap_part(struct sheet *sheet, const struct model *model)
{
    fprintf(sheet->out, "HEAP SUMMARY:\n    in use at exit: %s bytes in %s blocks\n", number(sheet, model->live_bytes),
            number(sheet, model->live_blocks));
    fprintf(sheet->out, "  total heap usage: %s allocs, %s frees, %s bytes allocated\n\n", number(sheet, model->allocations),
            number(sheet, model->frees), number(sheet, model->allocated_bytes));
}

static void leak_records(struct sheet *sheet, const struct model *model)
{
    size_t *list, *numbers, n = valgrind_leaks(model, &sheet->arena, &list, &numbers);
    for (size_t i = 0; i < n; i++) {
        const struct model_leak *leak = &model->leak_records[list[i]];
        put_mark(sheet, sheet->style->marks[0]);
        fprintf(sheet->out, "%s\n", valgrind_leak_words(leak, numbers[i], model->leaks->n_records, &sheet->arena));
        put_stack(sheet, &leak->stack);
        fputc('\n', sheet->out);
        if (model->options.gen_suppressions)
            render_leak_suppression(leak, sheet->out);
        put_mark(sheet, sheet->style->marks[1]);
    }
}

static void leak_line(struct sheet *sheet, const char *name, uint64_t bytes, uint64_t blocks)
{
    fprintf(sheet->out, "%18s: %s bytes in %s blocks\n", name, number(sheet, bytes), number(sheet, blocks));
}

static void leak_part(struct sheet *sheet, const struct model *model)
{
    const struct leaks *leaks = model->leaks;
    uint64_t blocks = leaks->ignored.blocks + model->suppressed_leaks.blocks, hidden = 0;
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        blocks += leaks->totals[kind].blocks;
    if (!blocks && !leaks->incomplete) {
        fputs("All heap blocks were freed -- no leaks are possible\n\n", sheet->out);
        return;
    }
    fputs("LEAK SUMMARY:\n", sheet->out);
    leak_line(sheet, "definitely lost", leaks->totals[LEAK_DEFINITE].bytes, leaks->totals[LEAK_DEFINITE].blocks);
    leak_line(sheet, "indirectly lost", leaks->totals[LEAK_INDIRECT].bytes, leaks->totals[LEAK_INDIRECT].blocks);
    leak_line(sheet, "possibly lost", leaks->totals[LEAK_POSSIBLE].bytes, leaks->totals[LEAK_POSSIBLE].blocks);
    leak_line(sheet, "still reachable", leaks->totals[LEAK_REACHABLE].bytes, leaks->totals[LEAK_REACHABLE].blocks);
    leak_line(sheet, "suppressed", model->suppressed_leaks.bytes + leaks->ignored.bytes, model->suppressed_leaks.blocks + leaks->ignored.blocks);
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        if (kind != LEAK_INDIRECT && !(model->options.show_leak_kinds >> kind & 1))
            hidden += leaks->totals[kind].blocks;
    if (model->options.leak_check != 0)
        fputs("Rerun with --leak-check=full to see details of leaked memory\n", sheet->out);
    else if (hidden)
        fputs("Reachable blocks (those to which a pointer was found) are not shown.\n"
              "To see them, rerun with: --leak-check=full --show-leak-kinds=all\n", sheet->out);
    fputc('\n', sheet->out);
}

static void summary_line(struct sheet *sheet, const struct valgrind_counts *counts)
{
    fprintf(sheet->out, "ERROR SUMMARY: %s errors from %s contexts (suppressed: %s from %s)\n", number(sheet, counts->errors),
            number(sheet, counts->contexts), number(sheet, counts->suppressed), number(sheet, counts->suppressed_contexts));
}

/* Every error but leaks once more, with how often it happened. false: there is none. */
static bool list_part(struct sheet *sheet, const struct model *model, size_t contexts)
{
    size_t at = 0;
    for (size_t i = 0; i < model->n_errors; i++) {
        struct valgrind_words words;
        if (model->errors[i].suppressed || !valgrind_words(&model->errors[i], &sheet->arena, &words))
            continue;
        fprintf(sheet->out, "%s%u errors in context %zu of %zu:\n", at ? "" : "\n", model->errors[i].count, at + 1, contexts);
        at++;
        put_words(sheet, &words);
    }
    return at > 0;
}

static void rules_part(struct sheet *sheet, const struct model *model)
{
    struct model_rule_use *uses = NULL;
    size_t n = model_rules_used(model, &uses);
    for (size_t i = 0; i < n; i++) {
        fprintf(sheet->out, "used_suppression: %6llu ", (unsigned long long)uses[i].findings);
        put_text(sheet, uses[i].rule->name);
        fputc(' ', sheet->out);
        put_text(sheet, uses[i].rule->file);
        fprintf(sheet->out, ":%u", uses[i].rule->line);
        if (uses[i].blocks)
            fprintf(sheet->out, " suppressed: %s bytes in %s blocks", number(sheet, uses[i].bytes), number(sheet, uses[i].blocks));
        fputc('\n', sheet->out);
    }
    if (n)
        fputc('\n', sheet->out);
    free(uses);
}

void render_valgrind_text(const struct model *model, const struct valgrind_style *style, FILE *out)
{
    struct sheet sheet = {.style = style, .out = out};
    struct valgrind_counts counts = valgrind_count(model);
    if (!style->quiet) {
        fatal_part(&sheet, model);
        fputc('\n', out);
        if (model->allocations || !model->no_leaks_why)     /* else nothing could be read of it at the end */
            heap_part(&sheet, model);
    }
    if (model->leaks)
        leak_records(&sheet, model);
    if (model->leaks && !style->quiet)
        leak_part(&sheet, model);
    else if (!style->quiet && model->options.leak_check == 2)
        fputs("For a detailed leak analysis, rerun with: --leak-check=full\n\n", out);
    else if (!style->quiet && model->no_leaks_why)
        fprintf(out, "No leak check: %s\n\n", model->no_leaks_why);
    if (!style->quiet && !style->list)
        fputs("For lists of detected and suppressed errors, rerun with: -s\n", out);
    if (style->list || style->rules)
        rules_part(&sheet, model);
    if (!style->quiet || style->list)
        summary_line(&sheet, &counts);
    if (style->list && list_part(&sheet, model, counts.contexts))
        summary_line(&sheet, &counts);
    arena_free(&sheet.arena);
}
