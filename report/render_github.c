/* The report as workflow commands, which GitHub shows beside the lines of a change: one line a finding or leak record.
 *
 *     ::error file=F,line=L,title=T::MESSAGE
 *
 * A line break in a value would begin a command of its own, so what has a meaning is written as %XX, and other control characters do not
 * pass. Files are relative to the root of the repository; a place that is not below it is told in the message. */
#include <stdlib.h>
#include <string.h>

#include "checkout.h"
#include "escape.h"
#include "page.h"
#include "render.h"
#include "valgrind.h"

static void put(const char *text, bool property, FILE *out)
{
    char *safe = escaped_copy(text, strlen(text));
    for (const char *at = safe ? safe : ""; *at; at++)
        if (*at == '%' || (property && (*at == ':' || *at == ',')))
            fprintf(out, "%%%02X", (unsigned char)*at);
        else
            fputc(*at, out);
    free(safe);
}

static void put_annotation(const char *root, const char *level, const char *title, const char *message, const struct stack *stack, FILE *out)
{
    const struct frame *frame = checkout_frame(root, stack);
    const char *file = frame ? checkout_relative(root, frame->file) : NULL;
    fprintf(out, "::%s ", level);
    if (file) {
        fputs("file=", out);
        put(file, true, out);
        fprintf(out, ",line=%u,", frame->line);
    }
    fputs("title=", out);
    put(title, true, out);
    fputs("::", out);
    put(message, false, out);
    size_t depth = valgrind_depth(stack, &valgrind_style_default);
    for (size_t i = 0; i < depth; i++) {
        const struct frame *at = stack->frames[i];
        fprintf(out, "%%0A  #%zu ", i);
        put(at->function ? at->function : "?", false, out);
        if (at->file) {
            fputs(" at ", out);
            put(at->file, false, out);
            fprintf(out, ":%u", at->line);
        }
    }
    fputc('\n', out);
}

bool render_github(const struct model *model, FILE *out)
{
    static const char *const titles[LEAK_KINDS] = {"definitely lost", "indirectly lost", "possibly lost", "still reachable"};
    char *root = checkout_root();
    char amount[PAGE_AMOUNT];
    for (size_t i = 0; i < model->n_errors; i++) {
        const struct model_error *error = &model->errors[i];
        const char *level = error->baseline || error->severity == RECORD_SEVERITY_NOTE ? "notice"
                          : error->severity == RECORD_SEVERITY_ERROR ? "error" : "warning";
        if (!error->suppressed)
            put_annotation(root, level, error->kind_name, error->message,
                           error->stack.n || !error->block ? &error->stack : &error->block->alloc_stack, out);
    }
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        const char *level = leak->baseline ? "notice" : leak->gates ? "error" : leak->raw.kind == LEAK_REACHABLE ? "notice" : "warning";
        if (leak->listed && !leak->suppressed)
            put_annotation(root, level, titles[leak->raw.kind],
                           page_amount(amount, leak->raw.bytes + leak->raw.indirect_bytes, leak->raw.blocks + leak->raw.indirect_blocks),
                           &leak->stack, out);
    }
    free(root);
    return !ferror(out);
}
