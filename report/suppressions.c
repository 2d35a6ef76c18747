/* Suppression rules: reading and matching.
 *
 * Valgrind's format, one rule between braces that stand alone on their lines:
 *
 *     {
 *        name
 *        Memcheck:Leak                      tool[,tool]:kind
 *        match-leak-kinds: definite         optional
 *        fun:malloc                         a frame each, innermost first: fun:, obj:, src:file[:line]
 *        ...                                any number of frames
 *     }
 *
 * A rule fits when its frames fit the innermost frames of a stack; the stack may go on. `*` and `?` are wildcards. C++ functions
 * are written mangled there: a name without wildcards is demangled and compared with ours; one with wildcards is compared with
 * the demangled name as it stands. Rules for other tools than memcheck are passed over.
 *
 * LeakSanitizer's format: `leak:TEMPLATE` a line. The template is looked for anywhere in the function, module and file of every
 * frame; `*` is a wildcard, `^` and `$` bind it to the start and the end.
 *
 * In both, `#` begins a comment line. */
#include "suppressions.h"

#include <errno.h>
#include <fnmatch.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "say.h"

enum { MOST_FRAMES = 64, LONGEST_LINE = 16384 };

enum pattern_kind { PATTERN_FUNCTION, PATTERN_OBJECT, PATTERN_SOURCE, PATTERN_ELLIPSIS };

struct pattern {
    enum pattern_kind kind;
    char *text;             /* for fnmatch; NULL for the ellipsis */
    char *demangled;        /* of a C++ function's name; NULL: none */
    unsigned line;          /* of PATTERN_SOURCE; 0: any */
};

/* What a rule is about. */
enum subject { ABOUT_LEAKS = 1, ABOUT_ACCESS = 2, ABOUT_FREE = 4, ABOUT_OVERLAP = 8, ABOUT_SIZE = 16, ABOUT_OUTPUT = 32 };

struct rule {
    unsigned subjects;      /* enum subject; 0: of another tool, fits nothing */
    unsigned leak_kinds;    /* bit per enum leak_kind */
    bool anywhere;          /* LeakSanitizer's: template[] fits any frame */
    char *template;         /* for fnmatch */
    struct pattern *patterns;
    size_t n_patterns;
    size_t hits;
};

struct suppressions {
    struct rule *rules;
    size_t n_rules;
};

/* memcheck's error kinds, and which of our findings they mean; 0: nothing that midden finds. */
static const struct {
    const char *name;
    unsigned subjects;
} memcheck_kinds[] = {
    {"Leak", ABOUT_LEAKS}, {"Free", ABOUT_FREE}, {"Overlap", ABOUT_OVERLAP}, {"FishyValue", ABOUT_SIZE},
    {"ReallocZero", ABOUT_SIZE}, {"BadSize", ABOUT_SIZE}, {"BadAlign", ABOUT_SIZE}, {"Param", ABOUT_OUTPUT},
    {"Addr1", ABOUT_ACCESS}, {"Addr2", ABOUT_ACCESS}, {"Addr4", ABOUT_ACCESS}, {"Addr8", ABOUT_ACCESS},
    {"Addr16", ABOUT_ACCESS}, {"Addr32", ABOUT_ACCESS}, {"Jump", ABOUT_ACCESS}, {"User", 0}, {"Cond", 0}, {"Value0", 0},
    {"Value1", 0}, {"Value2", 0}, {"Value4", 0}, {"Value8", 0}, {"Value16", 0}, {"Value32", 0},
};

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

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

struct reader {
    const char *name;
    FILE *file;
    unsigned line;
    char *text;             /* the current line, blanks around it taken off */
    char room[LONGEST_LINE];
};

static bool broken(const struct reader *reader, const char *what)
{
    say("--suppressions: %s:%u: %s", reader->name, reader->line, what);
    return false;
}

/* The next line that is neither empty nor a comment. false: the end. */
static bool next_line(struct reader *reader)
{
    while (fgets(reader->room, sizeof reader->room, reader->file)) {
        reader->line++;
        char *text = reader->room + strspn(reader->room, " \t\r\n");
        size_t n = strlen(text);
        while (n && strchr(" \t\r\n", text[n - 1]))
            text[--n] = 0;
        if (n && text[0] != '#') {
            reader->text = text;
            return true;
        }
    }
    return false;
}

static struct rule *add_rule(struct suppressions *all)
{
    all->rules = memory_resize(all->rules, all->n_rules + 1, sizeof *all->rules);
    struct rule *rule = &all->rules[all->n_rules++];
    memset(rule, 0, sizeof *rule);
    rule->leak_kinds = 1u << LEAK_DEFINITE | 1u << LEAK_INDIRECT | 1u << LEAK_POSSIBLE | 1u << LEAK_REACHABLE;
    return rule;
}

/* "Memcheck,Helgrind:Leak" */
static bool read_kind(const struct reader *reader, struct rule *rule)
{
    char *colon = strchr(reader->text, ':');
    if (!colon || colon == reader->text || !colon[1])
        return broken(reader, "'tool:kind' expected, as Memcheck:Leak");
    *colon = 0;
    bool memcheck = false;
    char *rest = NULL;
    for (char *tool = strtok_r(reader->text, ",", &rest); tool; tool = strtok_r(NULL, ",", &rest))
        memcheck |= strcmp(tool, "Memcheck") == 0;
    if (!memcheck)
        return true;
    for (size_t i = 0; i < sizeof memcheck_kinds / sizeof memcheck_kinds[0]; i++)
        if (strcmp(colon + 1, memcheck_kinds[i].name) == 0) {
            rule->subjects = memcheck_kinds[i].subjects;
            return true;
        }
    return broken(reader, "memcheck has no error of that kind");
}

static bool read_leak_kinds(const struct reader *reader, struct rule *rule, char *at)
{
    char *rest = NULL;
    rule->leak_kinds = 0;
    for (char *word = strtok_r(at, ", \t", &rest); word; word = strtok_r(NULL, ", \t", &rest)) {
        unsigned bits = strcmp(word, "all") == 0 ? 15u : 0;
        for (unsigned kind = 0; kind < LEAK_KINDS; kind++)
            if (strcmp(word, leak_kind_names[kind]) == 0)
                bits = 1u << kind;
        if (!bits && strcmp(word, "none") != 0)
            return broken(reader, "match-leak-kinds: takes definite, indirect, possible, reachable, all or none");
        rule->leak_kinds |= bits;
    }
    return true;
}

static bool read_pattern(const struct reader *reader, struct rule *rule)
{
    const char *text = reader->text;
    struct pattern pattern = {.kind = PATTERN_ELLIPSIS};
    if (strncmp(text, "fun:", 4) == 0)
        pattern.kind = PATTERN_FUNCTION;
    else if (strncmp(text, "obj:", 4) == 0)
        pattern.kind = PATTERN_OBJECT;
    else if (strncmp(text, "src:", 4) == 0)
        pattern.kind = PATTERN_SOURCE;
    else if (strcmp(text, "...") != 0)
        return broken(reader, "a frame is fun:, obj:, src: or '...'");
    if (rule->n_patterns == MOST_FRAMES)
        return broken(reader, "too many frames in one rule");
    if (pattern.kind != PATTERN_ELLIPSIS) {
        if (!text[4])
            return broken(reader, "nothing follows the colon");
        pattern.text = need(strdup(text + 4));
        char *colon = pattern.kind == PATTERN_SOURCE ? strrchr(pattern.text, ':') : NULL;
        if (colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
            pattern.line = (unsigned)strtoul(colon + 1, NULL, 10);
            *colon = 0;
        }
        if (pattern.kind == PATTERN_FUNCTION && strncmp(pattern.text, "_Z", 2) == 0 && !strpbrk(pattern.text, "*?"))
            pattern.demangled = cplus_demangle_v3(pattern.text, DMGL_PARAMS | DMGL_ANSI);
    }
    rule->patterns = memory_resize(rule->patterns, rule->n_patterns + 1, sizeof *rule->patterns);
    rule->patterns[rule->n_patterns++] = pattern;
    return true;
}

/* A rule of Valgrind's; its opening brace was read. */
static bool read_braced(struct reader *reader, struct suppressions *all)
{
    struct rule *rule = add_rule(all);
    if (!next_line(reader) || strcmp(reader->text, "}") == 0)
        return broken(reader, "a name is expected after '{'");
    if (!next_line(reader))
        return broken(reader, "the file ends within a rule");
    if (!read_kind(reader, rule))
        return false;
    bool first = true;
    while (next_line(reader)) {
        if (strcmp(reader->text, "}") == 0)
            return first ? broken(reader, "the rule has no frames") : true;
        if (strcmp(reader->text, "{") == 0)
            return broken(reader, "'}' is missing before this");
        if (strncmp(reader->text, "match-leak-kinds:", 17) == 0) {
            if (!read_leak_kinds(reader, rule, reader->text + 17))
                return false;
            continue;
        }
        /* Param rules name the system call, and rules of other tools have lines of their own, before the frames. */
        if (first && (rule->subjects == ABOUT_OUTPUT || !rule->subjects) && strncmp(reader->text, "fun:", 4) != 0
            && strncmp(reader->text, "obj:", 4) != 0 && strncmp(reader->text, "src:", 4) != 0 && strcmp(reader->text, "...") != 0)
            continue;
        if (!read_pattern(reader, rule))
            return false;
        first = false;
    }
    return broken(reader, "the file ends within a rule");
}

/* "leak:TEMPLATE". The template becomes a pattern for fnmatch: open ends get a '*', '?' and '[' are literal. */
static bool read_template(const struct reader *reader, struct suppressions *all)
{
    if (strncmp(reader->text, "leak:", 5) != 0)
        return broken(reader, "'leak:' or a rule in braces expected");
    const char *text = reader->text + 5;
    if (!text[0])
        return broken(reader, "nothing follows 'leak:'");
    struct rule *rule = add_rule(all);
    size_t n = 0, length = strlen(text);
    char *out = memory_new(2 * length + 3, 1);
    if (text[0] == '^')
        text++;
    else
        out[n++] = '*';
    bool bound = false;
    for (; *text; text++) {
        bound = *text == '$' && !text[1];
        if (bound)
            break;
        if (strchr("?[\\", *text))
            out[n++] = '\\';
        out[n++] = *text;
    }
    if (!bound)
        out[n++] = '*';
    rule->template = out;
    rule->anywhere = true;
    rule->subjects = ABOUT_LEAKS;
    return true;
}

static bool read_file(struct suppressions *all, const char *name)
{
    struct reader *reader = memory_new(1, sizeof *reader);
    reader->name = name;
    reader->file = fopen(name, "re");
    if (!reader->file) {
        say("--suppressions: cannot read '%s': %s", name, strerror(errno));
        free(reader);
        return false;
    }
    bool good = true;
    while (good && next_line(reader))
        good = strcmp(reader->text, "{") == 0 ? read_braced(reader, all) : read_template(reader, all);
    if (good && ferror(reader->file)) {
        say("--suppressions: cannot read '%s': %s", name, strerror(errno));
        good = false;
    }
    fclose(reader->file);
    free(reader);
    return good;
}

struct suppressions *suppressions_read(char *const *files, size_t n)
{
    struct suppressions *all = memory_new(1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        if (!read_file(all, files[i])) {
            suppressions_free(all);
            return NULL;
        }
    return all;
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

/* ---- matching ------------------------------------------------------------------------------------------------------------- */

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
