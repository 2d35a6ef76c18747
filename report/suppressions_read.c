/* Suppression rules: reading the files.
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
 * are written mangled there. Rules for other tools than memcheck are read and passed over.
 *
 * LeakSanitizer's format: `leak:TEMPLATE` a line. The template is looked for anywhere in the function, module and file of every
 * frame; `*` is a wildcard, `^` and `$` bind it to the start and the end.
 *
 * In both, `#` begins a comment line. One comment means something to midden, in a rule or before it:
 *
 *     # midden: max-bytes=4k max-blocks=10
 *
 * If the leaks of a program that the rule fits are more than that, none of them is suppressed: a known leak cannot hide a worse
 * one. The other tools read a comment. */
#include <errno.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_text.h"
#include "memory.h"
#include "say.h"
#include "suppression_rules.h"

enum { MOST_FRAMES = 1000 };

/* memcheck's error kinds, and which of our findings they mean; 0: nothing that midden finds. */
static const struct {
    const char *name;
    unsigned subjects;
} memcheck_kinds[] = {
    {"Leak", ABOUT_LEAKS}, {"Free", ABOUT_FREE}, {"Overlap", ABOUT_OVERLAP}, {"FishyValue", ABOUT_SIZE},
    {"ReallocZero", ABOUT_SIZE}, {"BadSize", ABOUT_SIZE}, {"BadAlign", ABOUT_SIZE}, {"Param", ABOUT_OUTPUT},
    {"Addr1", ABOUT_ACCESS}, {"Addr2", ABOUT_ACCESS}, {"Addr4", ABOUT_ACCESS}, {"Addr8", ABOUT_ACCESS},
    {"Addr16", ABOUT_ACCESS}, {"Addr32", ABOUT_ACCESS}, {"Jump", ABOUT_ACCESS}, {"CoreMem", 0}, {"Mempool", 0},
    {"PThread", 0}, {"User", 0}, {"Cond", 0}, {"Value0", 0},
    {"Value1", 0}, {"Value2", 0}, {"Value4", 0}, {"Value8", 0}, {"Value16", 0}, {"Value32", 0},
};

struct reader {
    const char *name;
    FILE *file;
    unsigned line;
    char *text;             /* the current line, blanks around it taken off */
    char *room;             /* getline(3)'s */
    size_t room_bytes;
    uint64_t max_bytes, max_blocks; /* of the rule that is being read or comes next */
    bool bad;               /* a comment to midden was not understood; said */
};

static bool broken(const struct reader *reader, const char *what)
{
    say("--suppressions: %s:%u: %s", reader->name, reader->line, what);
    return false;
}

/* "max-bytes=4k max-blocks=10", what follows "# midden:". */
static bool read_limits(struct reader *reader, char *text)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t,", &rest); word; word = strtok_r(NULL, " \t,", &rest)) {
        uint64_t *limit = strncmp(word, "max-bytes=", 10) == 0 ? &reader->max_bytes
                        : strncmp(word, "max-blocks=", 11) == 0 ? &reader->max_blocks : NULL;
        const char *digits = strchr(word, '=') ? strchr(word, '=') + 1 : "";
        static const char units[] = "kmg";
        char *end;
        errno = 0;
        unsigned long long value = strtoull(digits, &end, 10);
        const char *unit = *end ? strchr(units, *end) : NULL;
        if (unit && (value >> (64 - 10 * (unit - units + 1))) == 0) {
            value <<= 10 * (unit - units + 1);
            end++;
        }
        if (!limit || errno || *digits < '0' || *digits > '9' || *end)
            return broken(reader, "'# midden:' takes max-bytes=SIZE and max-blocks=N");
        *limit = value;
    }
    return true;
}

/* The next line that is neither empty nor a comment. false: the end, or a comment that is broken. */
static bool next_line(struct reader *reader)
{
    ssize_t got;
    while (!reader->bad && (got = getline(&reader->room, &reader->room_bytes, reader->file)) >= 0) {
        reader->line++;
        if (memchr(reader->room, 0, (size_t)got)) {
            reader->bad = true;
            return broken(reader, "this is no text");
        }
        char *text = reader->room + strspn(reader->room, " \t\r\n");
        size_t n = strlen(text);
        while (n && strchr(" \t\r\n", text[n - 1]))
            text[--n] = 0;
        if (reader->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)    /* some editors' mark of UTF-8 */
            text += 3;
        char *comment = text + strspn(text, "# \t");
        if (text[0] == '#' && strncmp(comment, "midden:", 7) == 0)
            reader->bad = !read_limits(reader, comment + 7);
        if (n && text[0] && text[0] != '#') {
            reader->text = text;
            return true;
        }
    }
    return false;
}

static struct rule *add_rule(struct suppressions *all, const struct reader *reader, const char *name)
{
    all->rules = memory_resize(all->rules, all->n_rules + 1, sizeof *all->rules);
    struct rule *rule = all->rules[all->n_rules++] = memory_new(1, sizeof *rule);
    rule->leak_kinds = 1u << LEAK_DEFINITE | 1u << LEAK_INDIRECT | 1u << LEAK_POSSIBLE | 1u << LEAK_REACHABLE;
    rule->name = need(strdup(name));
    rule->file = need(strdup(reader->name));
    rule->told = (struct model_rule){.name = rule->name, .file = rule->file, .line = reader->line};
    return rule;
}

static void set_limits(struct rule *rule, struct reader *reader)
{
    rule->told.max_bytes = reader->max_bytes;
    rule->told.max_blocks = reader->max_blocks;
    reader->max_bytes = reader->max_blocks = UINT64_MAX;
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
    if (!next_line(reader) || strcmp(reader->text, "}") == 0)
        return !reader->bad && broken(reader, "a name is expected after '{'");
    struct rule *rule = add_rule(all, reader, reader->text);
    if (!next_line(reader))
        return !reader->bad && broken(reader, "the file ends within a rule");
    if (!read_kind(reader, rule))
        return false;
    bool first = true;
    while (next_line(reader)) {
        if (strcmp(reader->text, "}") == 0) {
            set_limits(rule, reader);
            return first ? broken(reader, "the rule has no frames") : true;
        }
        if (strcmp(reader->text, "{") == 0)
            return broken(reader, "'}' is missing before this");
        if (strncmp(reader->text, "match-leak-kinds:", 17) == 0) {
            if (!read_leak_kinds(reader, rule, reader->text + 17))
                return false;
            continue;
        }
        /* Param rules name the system call, FishyValue the argument, and rules of other tools have lines of their own, before the
         * frames. */
        if (first && (rule->subjects & (ABOUT_OUTPUT | ABOUT_SIZE) || !rule->subjects) && strncmp(reader->text, "fun:", 4) != 0
            && strncmp(reader->text, "obj:", 4) != 0 && strncmp(reader->text, "src:", 4) != 0 && strcmp(reader->text, "...") != 0)
            continue;
        if (!read_pattern(reader, rule))
            return false;
        first = false;
    }
    return !reader->bad && broken(reader, "the file ends within a rule");
}

/* "leak:TEMPLATE". Open ends of the template get a '*'. */
static bool read_template(struct reader *reader, struct suppressions *all)
{
    if (strncmp(reader->text, "leak:", 5) != 0)
        return broken(reader, "'leak:' or a rule in braces expected");
    const char *text = reader->text + 5;
    if (!text[strspn(text, " \t^$*")])
        return broken(reader, "nothing follows 'leak:' that could be looked for");
    struct rule *rule = add_rule(all, reader, reader->text);
    size_t n = strlen(text);
    bool start = text[0] == '^', end = n > 1 && text[n - 1] == '$';
    char *out = rule->template = memory_new(n + 3, 1);
    if (!start)
        *out++ = '*';
    n -= (size_t)start + (size_t)end;
    memcpy(out, text + start, n);
    if (!end)
        out[n] = '*';
    rule->subjects = ABOUT_LEAKS;
    set_limits(rule, reader);
    return true;
}

static bool read_text(struct suppressions *all, const char *name, const char *text, size_t n)
{
    FILE *file = n ? need(fmemopen((void *)(uintptr_t)text, n, "r")) : NULL;
    if (!file)
        return true;
    struct reader *reader = memory_new(1, sizeof *reader);
    reader->name = name;
    reader->max_bytes = reader->max_blocks = UINT64_MAX;
    reader->file = file;
    bool good = true;
    while (good && next_line(reader))
        good = strcmp(reader->text, "{") == 0 ? read_braced(reader, all) : read_template(reader, all);
    good &= !reader->bad;
    if (good && ferror(reader->file))       /* a line is too long for the memory there is */
        good = broken(reader, strerror(errno));
    fclose(reader->file);
    free(reader->room);
    free(reader);
    return good;
}

static bool read_file(struct suppressions *all, const char *name)
{
    const char *why;
    size_t n;
    char *text = file_text(name, &n, &why);
    if (!text)
        say("--suppressions: cannot read '%s': %s", name, why);
    bool good = text && read_text(all, name, text, n);
    free(text);
    return good;
}

struct suppressions *suppressions_of_text(const char *name, const char *text)
{
    struct suppressions *all = memory_new(1, sizeof *all);
    read_text(all, name, text, strlen(text));
    return all;
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
