/* The report as memcheck's XML, protocol 4.
 *
 *   preamble, pids, tool, arguments → RUNNING → errors, how often each → the signal it died of → FINISHED → leak records → counts
 *
 * The order of elements is that of the protocol's description; readers depend on it. The document is built in memory by libxml2,
 * indented, and written in one piece. Text from the program may hold anything: bytes that no XML file may contain are written as
 * \xNN. Figures of one record stay below 2^31, because readers keep them in an int. */
#include <libxml/xmlwriter.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "render.h"
#include "valgrind.h"
#include "xml_parts.h"

struct paper {
    xmlTextWriterPtr xml;
    const struct valgrind_style *style;
    struct arena arena;
};

static void open_element(const struct paper *paper, const char *name)
{
    xmlTextWriterStartElement(paper->xml, BAD_CAST name);
}

static void close_element(const struct paper *paper)
{
    xmlTextWriterEndElement(paper->xml);
}

static void put(const struct paper *paper, const char *name, const char *text)
{
    char *fixed = xml_clean(text);
    xmlTextWriterWriteElement(paper->xml, BAD_CAST name, BAD_CAST (fixed ? fixed : ""));
    free(fixed);
}

static void put_number(const struct paper *paper, const char *name, uint64_t value)
{
    xmlTextWriterWriteFormatElement(paper->xml, BAD_CAST name, "%llu", (unsigned long long)(value > INT32_MAX ? INT32_MAX : value));
}

static void put_hex(const struct paper *paper, const char *name, uint64_t value)
{
    xmlTextWriterWriteFormatElement(paper->xml, BAD_CAST name, "0x%llX", (unsigned long long)value);
}

/* ---- stacks ---- */

static void put_frame(struct paper *paper, const struct stack *stack, size_t at)
{
    const struct frame *frame = stack->frames[at];
    open_element(paper, "frame");
    put_hex(paper, "ip", valgrind_pc(stack, at));
    if (frame->module)
        put(paper, "obj", frame->module);
    if (frame->function)
        put(paper, "fn", frame->function);
    if (frame->file) {
        const char *name = frames_basename(frame->file);
        if (name > frame->file + 1)
            put(paper, "dir", arena_text(&paper->arena, frame->file, (size_t)(name - frame->file) - 1));
        put(paper, "file", name);
        if (frame->line)
            put_number(paper, "line", frame->line);
    }
    close_element(paper);
}

/* A stack has one frame at least. */
static void put_stack(struct paper *paper, const struct stack *stack)
{
    size_t depth = stack ? valgrind_depth(stack, paper->style) : 0;
    open_element(paper, "stack");
    for (size_t i = 0; i < depth; i++)
        put_frame(paper, stack, i);
    if (!depth) {
        open_element(paper, "frame");
        put_hex(paper, "ip", 0);
        close_element(paper);
    }
    close_element(paper);
}

/* ---- the head ---- */

static void put_preamble(struct paper *paper, const struct model *model)
{
    struct arena *arena = &paper->arena;
    const char *command = "Command:";
    for (size_t i = 0; i < model->argc; i++)
        command = arena_format(arena, "%s %s", command, model->argv[i]);
    open_element(paper, "preamble");
    put(paper, "line", "midden-valgrind " MIDDEN_VERSION ", a heap debugger and leak checker with memcheck's forms");
    put(paper, "line", command);
    for (size_t i = 0; i < paper->style->n_notes; i++)
        put(paper, "line", paper->style->notes[i]);
    for (size_t i = 0; i < model->n_coverage; i++)
        put(paper, "line", arena_format(arena, "Not covered: %s", model->coverage[i]));
    close_element(paper);
}

/* The variables of the environment that the file's name was made with. */
static void put_qualifiers(struct paper *paper, const char *file)
{
    for (const char *at = file; (at = strstr(at, "%q{")); at += 3) {
        const char *end = strchr(at, '}');
        char *name = end ? arena_text(&paper->arena, at + 3, (size_t)(end - at) - 3) : NULL;
        const char *value = name ? getenv(name) : NULL;
        if (!value)
            continue;
        open_element(paper, "logfilequalifier");
        put(paper, "var", name);
        put(paper, "value", value);
        close_element(paper);
    }
}

static void put_arguments(struct paper *paper, const struct model *model)
{
    const struct valgrind_style *style = paper->style;
    open_element(paper, "args");
    open_element(paper, "vargv");
    put(paper, "exe", style->argc ? style->argv[0] : "midden");
    for (size_t i = 1; i < style->argc; i++)
        put(paper, "arg", style->argv[i]);
    close_element(paper);
    open_element(paper, "argv");
    put(paper, "exe", model->argc ? model->argv[0] : "");
    for (size_t i = 1; i < model->argc; i++)
        put(paper, "arg", model->argv[i]);
    close_element(paper);
    close_element(paper);
}

static void put_status(struct paper *paper, const char *state, double seconds)
{
    unsigned long long ms = seconds > 0 ? (unsigned long long)(seconds * 1000) : 0;
    open_element(paper, "status");
    put(paper, "state", state);
    put(paper, "time", arena_format(&paper->arena, "%02llu:%02llu:%02llu:%02llu.%03llu ", ms / 86400000, ms / 3600000 % 24,
                                    ms / 60000 % 60, ms / 1000 % 60, ms % 1000));
    close_element(paper);
}

static double elapsed(const struct paper *paper, const struct model *model)
{
    struct timespec now;
    const struct timespec *begun = &paper->style->begun;
    uint64_t start = model->records->anchor.start_time;
    if (begun->tv_sec || begun->tv_nsec) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
    }
    return start && (uint64_t)time(NULL) > start ? (double)((uint64_t)time(NULL) - start) : 0;
}

/* ---- suppressions ---- */

/* A line of a rule without its indent, ended; *next: the line after it. NULL: the rule is over. */
static char *rule_line(char **next)
{
    char *line = *next + strspn(*next, " "), *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = 0;
    *next = end + 1;
    return line;
}

/* The text of a rule (suppressions_write.c), taken apart: name, kind, what concerns the kind, frames. */
static void put_rule(struct paper *paper, const char *text)
{
    char *next = arena_text(&paper->arena, text, strlen(text)), *line;
    open_element(paper, "suppression");
    rule_line(&next);       /* the brace */
    for (int i = 0; (line = rule_line(&next)) && strcmp(line, "}") != 0; i++) {
        bool function = strncmp(line, "fun:", 4) == 0;
        if (i > 1 && (function || strncmp(line, "obj:", 4) == 0)) {
            open_element(paper, "sframe");
            put(paper, function ? "fun" : "obj", line + 4);
            close_element(paper);
        } else {
            put(paper, i == 0 ? "sname" : i == 1 ? "skind" : "skaux", line);
        }
    }
    char *fixed = xml_clean(text);
    open_element(paper, "rawtext");
    for (const char *at = fixed ? fixed : ""; *at;) {      /* no piece may hold the mark of its end */
        const char *end = strstr(at, "]]>");
        size_t n = end ? (size_t)(end - at) + 2 : strlen(at);
        xmlTextWriterWriteCDATA(paper->xml, BAD_CAST arena_text(&paper->arena, at, n));
        at += n;
    }
    close_element(paper);
    close_element(paper);
    free(fixed);
}

static void put_suppression(struct paper *paper, const struct model *model, const struct model_error *error, const struct model_leak *leak)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = model->options.gen_suppressions ? open_memstream(&text, &n) : NULL;
    if (!out)
        return;
    bool has = error ? render_error_suppression(error, out) : render_leak_suppression(leak, out);
    fclose(out);
    if (has && text)
        put_rule(paper, text);
    free(text);
}

static void put_suppression_counts(struct paper *paper, const struct model *model)
{
    struct model_rule_use *uses = NULL;
    size_t n = model_rules_used(model, &uses);
    open_element(paper, "suppcounts");
    for (size_t i = 0; i < n; i++) {
        open_element(paper, "pair");
        put_number(paper, "count", uses[i].findings);
        put(paper, "name", uses[i].rule->name);
        close_element(paper);
    }
    xmlTextWriterFullEndElement(paper->xml);
    free(uses);
}

/* ---- errors ---- */

static void put_thread(const struct paper *paper, const struct model_thread *thread)
{
    put_number(paper, "tid", thread ? thread->id : 1);
    if (thread && thread->id != 1 && thread->name[0])
        put(paper, "threadname", thread->name);
}

static void put_error(struct paper *paper, const struct model *model, const struct model_error *error, const struct valgrind_words *words,
                      size_t unique)
{
    open_element(paper, "error");
    put_hex(paper, "unique", unique);
    put_thread(paper, error->thread);
    put(paper, "kind", words->kind);
    put(paper, "what", words->what);
    put_stack(paper, words->stack);
    for (size_t i = 0; i < words->n_parts; i++) {
        put(paper, "auxwhat", words->parts[i].text);
        if (words->parts[i].stack)
            put_stack(paper, words->parts[i].stack);
    }
    put_suppression(paper, model, error, NULL);
    close_element(paper);
}

static void put_fatal(struct paper *paper, const struct model *model)
{
    enum { BY_USER = 0, NOT_MAPPED = 1, NOT_ALLOWED = 2 };
    const struct model_error *error = valgrind_fatal(model);
    const char *name = sigabbrev_np(model->exit_value);
    if (model->exit != MODEL_EXIT_SIGNAL)
        return;
    bool access = error && (model->exit_value == SIGSEGV || model->exit_value == SIGBUS);
    bool there = access && error->raw.detail != RECORD_DETAIL_UNMAPPED && error->raw.detail != RECORD_DETAIL_NULL
              && error->raw.detail != RECORD_DETAIL_NONE;
    open_element(paper, "fatal_signal");
    put_thread(paper, error ? error->thread : NULL);
    put_number(paper, "signo", (uint64_t)model->exit_value);
    put(paper, "signame", name ? arena_format(&paper->arena, "SIG%s", name) : "???");
    put_number(paper, "sicode", there ? NOT_ALLOWED : access ? NOT_MAPPED : BY_USER);
    if (access) {
        put(paper, "event", there ? "Bad permissions for mapped region" : "Access not within mapped region");
        put_hex(paper, "siaddr", error->address);
    }
    put_stack(paper, error ? &error->stack : &model->exit_stack);
    close_element(paper);
}

static void put_leak(struct paper *paper, const struct model *model, const struct model_leak *leak, size_t number, size_t unique)
{
    open_element(paper, "error");
    put_hex(paper, "unique", unique);
    put_number(paper, "tid", 1);
    put(paper, "kind", valgrind_leak_kind(leak->raw.kind));
    open_element(paper, "xwhat");
    put(paper, "text", valgrind_leak_words(leak, number, model->leaks->n_records, &paper->arena));
    put_number(paper, "leakedbytes", leak->raw.bytes + leak->raw.indirect_bytes);
    put_number(paper, "leakedblocks", leak->raw.blocks);
    close_element(paper);
    put_stack(paper, &leak->stack);
    put_suppression(paper, model, NULL, leak);
    close_element(paper);
}

/* ---- the document ---- */

static void put_report(struct paper *paper, const struct model *model)
{
    struct valgrind_words words;
    size_t unique = 0, *list, *numbers;
    put_number(paper, "protocolversion", 4);
    put(paper, "protocoltool", "memcheck");
    put_preamble(paper, model);
    put_number(paper, "pid", (uint64_t)model->pid);
    put_number(paper, "ppid", (uint64_t)(model->parent_pid > 0 ? model->parent_pid : paper->style->parent));
    put(paper, "tool", "memcheck");
    if (paper->style->file)
        put_qualifiers(paper, paper->style->file);
    if (paper->style->comment) {
        open_element(paper, "usercomment");
        xmlTextWriterWriteRaw(paper->xml, BAD_CAST paper->style->comment);
        close_element(paper);
    }
    put_arguments(paper, model);
    put_status(paper, "RUNNING", 0);
    for (size_t i = 0; i < model->n_errors; i++)
        if (!model->errors[i].suppressed && valgrind_words(&model->errors[i], &paper->arena, &words))
            put_error(paper, model, &model->errors[i], &words, unique++);
    put_fatal(paper, model);
    put_status(paper, "FINISHED", elapsed(paper, model));
    size_t n = valgrind_leaks(model, &paper->arena, &list, &numbers);
    for (size_t i = 0; i < n; i++)
        put_leak(paper, model, &model->leak_records[list[i]], numbers[i], unique + i);
    open_element(paper, "errorcounts");
    for (size_t i = 0, at = 0; i < model->n_errors; i++) {
        if (model->errors[i].suppressed || !valgrind_words(&model->errors[i], &paper->arena, &words))
            continue;
        open_element(paper, "pair");
        put_number(paper, "count", model->errors[i].count);
        put_hex(paper, "unique", at++);
        close_element(paper);
    }
    xmlTextWriterFullEndElement(paper->xml);
    put_suppression_counts(paper, model);
}

bool render_valgrind_xml(const struct model *model, const struct valgrind_style *style, FILE *out)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    struct paper paper = {.style = style ? style : &valgrind_style_default};
    paper.xml = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
    bool good = false;
    if (paper.xml) {
        xmlTextWriterSetIndent(paper.xml, 1);
        xmlTextWriterSetIndentString(paper.xml, BAD_CAST "  ");
        xmlTextWriterStartDocument(paper.xml, NULL, NULL, NULL);
        open_element(&paper, "valgrindoutput");
        put_report(&paper, model);
        good = xmlTextWriterEndDocument(paper.xml) >= 0;
        xmlFreeTextWriter(paper.xml);
        good = good && fwrite(xmlBufferContent(buffer), 1, (size_t)xmlBufferLength(buffer), out) == (size_t)xmlBufferLength(buffer);
    }
    if (buffer)
        xmlBufferFree(buffer);
    arena_free(&paper.arena);
    return good;
}
