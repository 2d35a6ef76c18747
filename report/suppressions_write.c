/* --gen-suppressions: a rule in Valgrind's format that fits one finding or leak record.
 *
 * The frames of the rule are the stack's, innermost first, down to main, by the names that the linker knows; a frame without a name
 * is given by its module. Valgrind takes at most 24 frames in a rule, so there are no more here; a record is told apart by what lies
 * above that, and by its leak kind. Nothing is written for a stack that was not recorded: the rule would fit everything. */
#include <string.h>

#include "render.h"
#include "suppression_rules.h"

enum { MOST_FRAMES = 24 };

/* Text in a line of a rule: what would end the line becomes a wildcard for one character. */
static void put_text(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void put_frame(const struct frame *frame, FILE *out)
{
    if (frame->function || frame->linkage) {
        fputs("   fun:", out);
        put_text(frame->linkage ? frame->linkage : frame->function, out);
    } else {
        fputs("   obj:", out);
        put_text(frame->module ? frame->module : "*", out);
    }
    fputc('\n', out);
}

static bool is_recorded(const struct stack *stack)
{
    return stack->n && !(stack->n == 1 && stack->frames[0]->entry);
}

/* `what` and the function that the reader looks at name the rule; the fingerprint makes the name one of its own. */
static void put_rule(const char *what, uint64_t fingerprint, const char *kind, const char *leak_kind, const struct stack *stack,
                     const char *front, FILE *out)
{
    const struct frame *guilty = frames_guilty(stack);
    size_t left = MOST_FRAMES;
    fprintf(out, "{\n   %s in ", what);
    put_text(guilty && guilty->function ? guilty->function : guilty && guilty->module ? frames_basename(guilty->module) : "?", out);
    fprintf(out, " %016llx\n   Memcheck:%s\n", (unsigned long long)fingerprint, kind);
    if (leak_kind)
        fprintf(out, "   match-leak-kinds: %s\n", leak_kind);
    if (strcmp(kind, "Param") == 0)     /* Valgrind wants the system call's name there */
        fputs("   write(buf)\n", out);
    else if (strcmp(kind, "FishyValue") == 0)
        fputs("   malloc(size)\n", out);
    if (front) {
        fprintf(out, "   fun:%s\n", front);
        left--;
    }
    for (size_t i = 0; i < stack->n && left; i++, left--) {
        const struct frame *frame = stack->frames[i];
        put_frame(frame, out);
        if (frame->function && strcmp(frame->function, "main") == 0)
            break;
    }
    fputs("}\n", out);
}

bool render_leak_suppression(const struct model_leak *leak, FILE *out)
{
    if (!is_recorded(&leak->stack))
        return false;
    const char *kind = leak_kind_names[leak->raw.kind];
    char what[32];
    snprintf(what, sizeof what, leak->raw.kind == LEAK_REACHABLE ? "%s block" : "%s leak", kind);
    put_rule(what, leak->fingerprint, "Leak", kind, &leak->stack, suppression_front(&leak->stack, NULL), out);
    return true;
}

static const char *memcheck_kind(const struct model_error *error)
{
    switch (suppression_subject(error->kind)) {
    case ABOUT_FREE:
        return "Free";
    case ABOUT_OVERLAP:
        return "Overlap";
    case ABOUT_SIZE:
        return "FishyValue";
    case ABOUT_OUTPUT:
        return "Param";
    default:
        return error->size == 2 ? "Addr2" : error->size == 4 ? "Addr4" : error->size == 8 ? "Addr8" : error->size == 16 ? "Addr16" : "Addr1";
    }
}

bool render_error_suppression(const struct model_error *error, FILE *out)
{
    const struct stack *stack = suppression_stack(error);
    if (!is_recorded(stack))
        return false;
    put_rule(error->kind_name, error->fingerprint, memcheck_kind(error), NULL, stack, suppression_front(stack, error->call_name), out);
    return true;
}
