/* The living blocks as folded stacks, as flame graphs are made of: a line for each allocation stack, outermost frame first, then bytes.
 *
 *     main;add_order;copy_name;malloc 24
 *
 * A semicolon in a name (there is none in C, but in what a demangler makes of a template there may be) and blanks at line ends would
 * be taken for structure: they become commas and underscores. Stacks that read the same are one line. */
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "memory.h"
#include "render.h"

struct line {
    char *text;
    uint64_t bytes;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

static char *folded(const struct stack *stack)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    for (size_t i = stack->n; i > 0; i--) {
        const struct frame *frame = stack->frames[i - 1];
        if (frame->function)
            render_escaped(frame->function, strlen(frame->function), out);
        else if (frame->module)
            render_escaped(frames_basename(frame->module), strlen(frames_basename(frame->module)), out);
        else
            fprintf(out, "0x%llx", (unsigned long long)frame->pc);
        fputc(i > 1 ? '\n' : 0, out);
    }
    if (!stack->n)
        fputs("(unknown)", out);
    fclose(out);
    for (char *at = text; at && *at; at++)
        *at = *at == ';' ? ',' : *at == '\n' ? ';' : *at;
    return text;
}

bool render_folded(const struct model *model, FILE *out)
{
    struct line *lines = memory_new(model->n_leak_records + 1, sizeof *lines);
    size_t n = 0;
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (leak->listed && !leak->suppressed && (lines[n].text = folded(&leak->stack)))
            lines[n++].bytes = leak->raw.bytes;
    }
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && strcmp(lines[i].text, lines[i + 1].text) == 0)
            lines[i + 1].bytes += lines[i].bytes;
        else
            fprintf(out, "%s %llu\n", lines[i].text, (unsigned long long)lines[i].bytes);
        free(lines[i].text);
    }
    free(lines);
    return !ferror(out);
}
