/* The report as one page of HTML that needs nothing else: no script, no picture, no address to load from.
 *
 * All text from the program passes put_text(): what a terminal could take for a command is made visible, and what HTML could take for
 * markup is written as entities. The page forbids itself by its policy whatever the escaping might have missed. */
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "page.h"
#include "render.h"
#include "source.h"

enum { AROUND = 2 };

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<style>\n"
    ":root { color-scheme: light dark }\n"
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }\n"
    "pre, code, td.n { font-family: ui-monospace, monospace; font-size: 13px }\n"
    "pre { overflow-x: auto; padding: .6em; background: #8881; border-radius: 4px; margin: .4em 0 }\n"
    "table { border-collapse: collapse; margin: .5em 0 } td, th { padding: .2em .8em; text-align: left; border-bottom: 1px solid #8884 }\n"
    "td.n { text-align: right } .bad { color: #c0392b } .warn { color: #b9770e } .good { color: #1e8449 } .dim { opacity: .65 }\n"
    "article { border-left: 4px solid #8886; padding: .1em 0 .1em 1em; margin: 1.2em 0 } article.error { border-color: #c0392b }\n"
    "article.warning { border-color: #b9770e } h3 { margin: .3em 0; font-size: 1em } ol { margin: .2em 0 .6em; padding-left: 2.6em }\n"
    "mark { background: #f1c40f55; color: inherit } summary { cursor: pointer }\n"
    "</style>\n";

struct sheet {
    const struct model *model;
    FILE *out;
};

static void put_text(const struct sheet *sheet, const char *text, size_t n)
{
    char *safe = escaped_copy(text, n);
    for (size_t i = 0; safe && safe[i]; i++)
        switch (safe[i]) {
        case '<': fputs("&lt;", sheet->out); break;
        case '>': fputs("&gt;", sheet->out); break;
        case '&': fputs("&amp;", sheet->out); break;
        case '"': fputs("&quot;", sheet->out); break;
        case '\'': fputs("&#39;", sheet->out); break;
        default: fputc(safe[i], sheet->out);
        }
    free(safe);
}

static void put(const struct sheet *sheet, const char *text)
{
    put_text(sheet, text, strlen(text));
}

static void put_number(const struct sheet *sheet, uint64_t value)
{
    struct page page = {sheet->out, &render_defaults};
    page_number(&page, value);
}

static void put_figure(const struct sheet *sheet, uint64_t value)
{
    fputs("<td class=\"n\">", sheet->out);
    put_number(sheet, value);
    fputs("</td>", sheet->out);
}

/* ---- stacks and sources ---- */

static void put_place(const struct sheet *sheet, const struct frame *frame)
{
    fputs("<code>", sheet->out);
    put(sheet, frame->function ? frame->function : "???");
    fputs("</code>", sheet->out);
    fputs(" <span class=\"dim\">", sheet->out);
    if (frame->file) {
        put(sheet, frame->file);
        fprintf(sheet->out, ":%u", frame->line);
    } else if (frame->module) {
        put(sheet, frame->module);
        fprintf(sheet->out, "+0x%llx", (unsigned long long)frame->offset);
    } else {
        fprintf(sheet->out, "0x%llx", (unsigned long long)frame->pc);
    }
    fputs(frame->inlined ? ", inlined</span>" : "</span>", sheet->out);
}

static void put_stack(const struct sheet *sheet, const char *title, const struct model_thread *thread, const struct stack *stack, bool open)
{
    const struct frame *guilty = frames_guilty(stack);
    if (!stack->n)
        return;
    fprintf(sheet->out, "<details%s><summary>%s", open ? " open" : "", title);
    if (thread) {
        fprintf(sheet->out, " by thread %u (", thread->id);
        put(sheet, thread->name);
        fputc(')', sheet->out);
    }
    fputs("</summary>\n<ol start=\"0\">\n", sheet->out);
    for (size_t i = 0; i < stack->n; i++) {
        fputs(stack->frames[i] == guilty ? "<li><mark>" : "<li>", sheet->out);
        put_place(sheet, stack->frames[i]);
        fputs(stack->frames[i] == guilty ? "</mark></li>\n" : "</li>\n", sheet->out);
    }
    fputs(stack->truncated ? "<li class=\"dim\">… more frames</li>\n</ol></details>\n" : "</ol></details>\n", sheet->out);
}

static void put_source(const struct sheet *sheet, const struct stack *stack)
{
    const struct frame *frame = frames_guilty(stack);
    struct source_line lines[2 * AROUND + 1];
    if (!frame || !frame->file || !frame->line)
        return;
    unsigned first = frame->line > AROUND ? frame->line - AROUND : 1;
    size_t n = source_read(frame->file, first, 2 * AROUND + 1, lines);
    if (frame->line >= first + n)
        return;
    fputs("<pre>", sheet->out);
    for (size_t i = 0; i < n; i++) {
        bool here = first + i == frame->line;
        fprintf(sheet->out, "%s%6zu  ", here ? "<mark>" : "", first + i);
        put_text(sheet, lines[i].text, lines[i].length);
        fputs(here ? "</mark>\n" : "\n", sheet->out);
    }
    fputs("</pre>\n", sheet->out);
}

/* ---- parts ---- */

static void errors_part(const struct sheet *sheet)
{
    const struct model *model = sheet->model;
    size_t n = 0;
    for (size_t i = 0; i < model->n_errors; i++)
        n += !model->errors[i].suppressed;
    fprintf(sheet->out, "<h2 id=\"findings\">Findings: %zu</h2>\n", n);
    for (size_t i = 0; i < model->n_errors; i++) {
        const struct model_error *error = &model->errors[i];
        if (error->suppressed)
            continue;
        fprintf(sheet->out, "<article class=\"%s\"><h3>", error->severity_name);
        put(sheet, error->kind_name);
        fputs("</h3><p>", sheet->out);
        put(sheet, error->message);
        if (error->count > 1)
            fprintf(sheet->out, " <span class=\"dim\">%u times</span>", error->count);
        fputs(error->baseline ? " <span class=\"dim\">known before</span></p>\n" : "</p>\n", sheet->out);
        put_source(sheet, error->stack.n || !error->block ? &error->stack : &error->block->alloc_stack);
        put_stack(sheet, "made or found", error->thread, &error->stack, true);
        if (error->block) {
            put_stack(sheet, "the block was allocated", error->block->alloc_thread, &error->block->alloc_stack, false);
            if (error->block->freed)
                put_stack(sheet, "the block was freed", error->block->free_thread, &error->block->free_stack, false);
        }
        fprintf(sheet->out, "<p class=\"dim\">fingerprint %016llx</p></article>\n", (unsigned long long)error->fingerprint);
    }
}

static void leaks_part(const struct sheet *sheet)
{
    static const char *const lost_as[LEAK_KINDS] = {"definitely lost", "indirectly lost", "possibly lost", "still reachable"};
    const struct model *model = sheet->model;
    if (!model->leaks) {
        fputs("<h2 id=\"leaks\">Leaks</h2>\n<p>They were not looked for.</p>\n", sheet->out);
        return;
    }
    fputs("<h2 id=\"leaks\">Leaks</h2>\n<table><tr><th>kind</th><th>bytes</th><th>blocks</th></tr>\n", sheet->out);
    for (int kind = 0; kind < LEAK_KINDS; kind++) {
        fprintf(sheet->out, "<tr><td>%s</td>", lost_as[kind]);
        put_figure(sheet, model->leaks->totals[kind].bytes);
        put_figure(sheet, model->leaks->totals[kind].blocks);
        fputs("</tr>\n", sheet->out);
    }
    fputs("<tr><td>suppressed</td>", sheet->out);
    put_figure(sheet, model->suppressed_leaks.bytes + model->leaks->ignored.bytes);
    put_figure(sheet, model->suppressed_leaks.blocks + model->leaks->ignored.blocks);
    fputs("</tr></table>\n", sheet->out);
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (!leak->listed || leak->suppressed)
            continue;
        fprintf(sheet->out, "<article class=\"%s\"><h3>%s: ", leak->raw.kind == LEAK_DEFINITE ? "error" : leak->raw.kind == LEAK_POSSIBLE ? "warning"
                : "note", lost_as[leak->raw.kind]);
        put_number(sheet, leak->raw.bytes);
        fputs(" bytes in ", sheet->out);
        put_number(sheet, leak->raw.blocks);
        fputs(leak->raw.blocks == 1 ? " block" : " blocks", sheet->out);
        if (leak->raw.indirect_blocks) {
            fputs(", and with them ", sheet->out);
            put_number(sheet, leak->raw.indirect_bytes);
            fputs(" bytes in ", sheet->out);
            put_number(sheet, leak->raw.indirect_blocks);
        }
        fputs(leak->baseline ? " <span class=\"dim\">known before</span></h3>\n" : "</h3>\n", sheet->out);
        put_source(sheet, &leak->stack);
        put_stack(sheet, "allocated", NULL, &leak->stack, true);
        fprintf(sheet->out, "<p class=\"dim\">site %016llx, fingerprint %016llx</p></article>\n", (unsigned long long)leak->site,
                (unsigned long long)leak->fingerprint);
    }
}

static void heap_part(const struct sheet *sheet)
{
    const struct model *model = sheet->model;
    const struct { const char *name; uint64_t value; } rows[] = {
        {"allocations", model->allocations}, {"frees", model->frees}, {"bytes allocated in all", model->allocated_bytes},
        {"bytes at the peak", model->peak_bytes}, {"bytes now", model->live_bytes}, {"blocks now", model->live_blocks},
        {"bytes of midden's own records", model->records->anchor.own_bytes},
    };
    fputs("<h2 id=\"heap\">Heap</h2>\n<table>\n", sheet->out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fprintf(sheet->out, "<tr><td>%s</td>", rows[i].name);
        put_figure(sheet, rows[i].value);
        fputs("</tr>\n", sheet->out);
    }
    fputs("</table>\n", sheet->out);
}

static void coverage_part(const struct sheet *sheet)
{
    const struct model *model = sheet->model;
    if (!model->n_coverage)
        return;
    fputs("<h2 id=\"coverage\">Not covered</h2>\n<ul>\n", sheet->out);
    for (size_t i = 0; i < model->n_coverage; i++) {
        fputs("<li>", sheet->out);
        put(sheet, model->coverage[i]);
        fputs("</li>\n", sheet->out);
    }
    fputs("</ul>\n", sheet->out);
}

bool render_html(const struct model *model, FILE *out)
{
    struct sheet paper = {model, out}, *sheet = &paper;
    const char *program = model->argc ? model->argv[0] : "a program";
    fputs(head, out);
    fputs("<title>midden: ", out);
    put(sheet, frames_basename(program));
    fputs("</title>\n</head>\n<body>\n<h1>midden: report of ", out);
    put(sheet, program);
    fputs("</h1>\n<p><code>", out);
    for (size_t i = 0; i < model->argc; i++) {
        put(sheet, model->argv[i]);
        fputc(' ', out);
    }
    fprintf(out, "</code><br>pid %d", model->pid);
    if (model->exit == MODEL_EXIT_CODE)
        fprintf(out, ", exit status %d", model->exit_value);
    else if (model->exit == MODEL_EXIT_SIGNAL)
        fprintf(out, ", ended by signal %d", model->exit_value);
    fprintf(out, "</p>\n<p class=\"%s\"><strong>%s error%s, %s leak%s that count</strong></p>\n", model->gating ? "bad" : "good",
            PAGE_COUNT(model_gating_errors(model)), model_gating_errors(model) == 1 ? "" : "s", PAGE_COUNT(model_gating_leaks(model)),
            model_gating_leaks(model) == 1 ? "" : "s");
    errors_part(sheet);
    leaks_part(sheet);
    heap_part(sheet);
    coverage_part(sheet);
    fputs("<p class=\"dim\">midden " MIDDEN_VERSION "</p>\n</body>\n</html>\n", out);
    return !ferror(out);
}
