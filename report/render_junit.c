/* The report as JUnit's XML, as test reports of build servers take it: a suite for the program, a failing case for each finding and leak
 * record, or a single good one. Known findings and what does not gate are cases that are skipped. */
#include <libxml/xmlwriter.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "page.h"
#include "render.h"
#include "valgrind.h"
#include "xml_parts.h"

struct suite {
    xmlTextWriterPtr xml;
    const struct model *model;
    struct arena arena;
};

static void attribute(struct suite *suite, const char *name, const char *value)
{
    char *clean = xml_clean(value);
    xmlTextWriterWriteAttribute(suite->xml, BAD_CAST name, BAD_CAST (clean ? clean : ""));
    free(clean);
}

static const char *stack_text(struct suite *suite, const char *message, const struct stack *stack)
{
    char *text = NULL;
    size_t n = 0, depth = valgrind_depth(stack, &valgrind_style_default);
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return message;
    fprintf(out, "%s\n", message);
    for (size_t i = 0; i < depth; i++) {
        const struct frame *frame = stack->frames[i];
        fprintf(out, "  #%zu %s", i, frame->function ? frame->function : "?");
        if (frame->file)
            fprintf(out, " at %s:%u", frame->file, frame->line);
        else if (frame->module)
            fprintf(out, " in %s+0x%llx", frame->module, (unsigned long long)frame->offset);
        fputc('\n', out);
    }
    fclose(out);
    const char *kept = arena_text(&suite->arena, text, strlen(text));
    free(text);
    return kept;
}

static void put_case(struct suite *suite, const char *kind, const char *message, const struct stack *stack, const char *skipped)
{
    const struct frame *frame = frames_guilty(stack);
    char *text = xml_clean(stack_text(suite, message, stack));
    xmlTextWriterStartElement(suite->xml, BAD_CAST "testcase");
    attribute(suite, "classname", arena_format(&suite->arena, "midden.%s", kind));
    attribute(suite, "name", frame && frame->function ? arena_format(&suite->arena, "%s in %s", kind, frame->function) : kind);
    attribute(suite, "time", "0");
    xmlTextWriterStartElement(suite->xml, BAD_CAST (skipped ? "skipped" : "failure"));
    attribute(suite, "message", skipped ? arena_format(&suite->arena, "%s: %s", skipped, message) : message);
    if (!skipped)
        attribute(suite, "type", kind);
    xmlTextWriterWriteString(suite->xml, BAD_CAST (text ? text : ""));
    xmlTextWriterEndElement(suite->xml);
    xmlTextWriterEndElement(suite->xml);
    free(text);
}

static void put_cases(struct suite *suite)
{
    const struct model *model = suite->model;
    char amount[PAGE_AMOUNT];
    for (size_t i = 0; i < model->n_errors; i++) {
        const struct model_error *error = &model->errors[i];
        if (!error->suppressed)
            put_case(suite, error->kind_name, error->message, error->stack.n || !error->block ? &error->stack : &error->block->alloc_stack,
                     error->baseline ? "known" : error->severity != RECORD_SEVERITY_ERROR ? error->severity_name : NULL);
    }
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (leak->listed && !leak->suppressed)
            put_case(suite, arena_format(&suite->arena, "leak-%s", leak_kind_names[leak->raw.kind]),
                     page_amount(amount, leak->raw.bytes + leak->raw.indirect_bytes, leak->raw.blocks + leak->raw.indirect_blocks),
                     &leak->stack, leak->baseline ? "known" : leak->gates ? NULL : "not gating");
    }
}

static void count(const struct model *model, size_t *cases, size_t *failures)
{
    *cases = *failures = 0;
    for (size_t i = 0; i < model->n_errors; i++) {
        const struct model_error *error = &model->errors[i];
        *cases += !error->suppressed;
        *failures += !error->suppressed && !error->baseline && error->severity == RECORD_SEVERITY_ERROR;
    }
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        *cases += leak->listed && !leak->suppressed;
        *failures += leak->listed && !leak->suppressed && !leak->baseline && leak->gates;
    }
}

bool render_junit(const struct model *model, FILE *out)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    struct suite suite = {.model = model};
    size_t cases, failures;
    bool good = false;
    count(model, &cases, &failures);
    suite.xml = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
    if (suite.xml) {
        xmlTextWriterSetIndent(suite.xml, 1);
        xmlTextWriterStartDocument(suite.xml, NULL, "UTF-8", NULL);
        xmlTextWriterStartElement(suite.xml, BAD_CAST "testsuites");
        xmlTextWriterStartElement(suite.xml, BAD_CAST "testsuite");
        attribute(&suite, "name", arena_format(&suite.arena, "midden: %s", model->argc ? model->argv[0] : "program"));
        attribute(&suite, "tests", arena_format(&suite.arena, "%zu", cases ? cases : 1));
        attribute(&suite, "failures", arena_format(&suite.arena, "%zu", failures));
        attribute(&suite, "errors", "0");
        attribute(&suite, "skipped", arena_format(&suite.arena, "%zu", cases - failures));
        if (cases) {
            put_cases(&suite);
        } else {
            xmlTextWriterStartElement(suite.xml, BAD_CAST "testcase");
            attribute(&suite, "classname", "midden");
            attribute(&suite, "name", "no finding, no leak");
            attribute(&suite, "time", "0");
            xmlTextWriterEndElement(suite.xml);
        }
        good = xmlTextWriterEndDocument(suite.xml) >= 0;
        xmlFreeTextWriter(suite.xml);
        good = good && fwrite(xmlBufferContent(buffer), 1, (size_t)xmlBufferLength(buffer), out) == (size_t)xmlBufferLength(buffer);
    }
    if (buffer)
        xmlBufferFree(buffer);
    arena_free(&suite.arena);
    return good;
}
