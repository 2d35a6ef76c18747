/* The text of one finding.
 *
 *    what happened, in a sentence
 *      where: the guilty line, with its neighbours
 *      the stacks: of the mistake, of the block's allocation, of its freeing
 *      the block, its guards and the damaged bytes
 *      a hint how to catch it at the instruction, when it was found later
 *
 * Where a mistake was found later than made, nobody stood at the guilty line: then the block's allocation is shown first. */
#include <string.h>

#include "page.h"

static bool found_late(const struct model_error *error)
{
    return error->detected != RECORD_AT_ACCESS && error->detected != RECORD_AT_CALL;
}

/* ---- the picture ---- */

static void hex_row(const struct page *page, const struct record_finding *raw, size_t first, size_t n)
{
    const unsigned char *word = (const unsigned char *)&raw->expected_word;
    bool wrong[16] = {false};
    fprintf(page->out, "    0x%llx  ", (unsigned long long)(raw->damage_address + first));
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = raw->damage[first + i];
        wrong[i] = raw->expected_word ? first + i < 8 && byte != word[first + i] : byte != raw->expected;
        if (wrong[i])
            page_colour(page, PAGE_ERROR);
        fprintf(page->out, "%02x ", byte);
        if (wrong[i])
            page_colour(page, PAGE_PLAIN);
    }
    fprintf(page->out, "%*s\"", (int)(3 * (16 - n) + 1), "");
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = raw->damage[first + i];
        fputc(byte >= 0x20 && byte < 0x7f ? byte : '.', page->out);
    }
    fprintf(page->out, "\"\n    %*s", (int)snprintf(NULL, 0, "0x%llx", (unsigned long long)(raw->damage_address + first)) + 2, "");
    size_t last = 0;
    for (size_t i = 0; i < n; i++)
        if (wrong[i])
            last = i + 1;
    for (size_t i = 0; i < last; i++)
        fprintf(page->out, "%s%s", wrong[i] ? "^^" : "  ", i + 1 < last ? " " : "");
    fputc('\n', page->out);
}

/* [ guard 16 ][ block: 10 bytes ][ guard ], with an arrow under the part that was hit. */
static void draw_block(const struct page *page, const struct model *model, const struct model_error *error)
{
    const struct model_block *block = error->block;
    char front[32], middle[64], rear[32];
    int n = snprintf(front, sizeof front, "[ guard %u ]", model->records->anchor.front_guard);
    if (!model->records->anchor.front_guard)
        n = snprintf(front, sizeof front, "[ … ");
    int m = snprintf(middle, sizeof middle, "[ block, %llu byte%s%s ]", (unsigned long long)block->size, block->size == 1 ? "" : "s",
                     block->freed ? ", freed" : "");
    snprintf(rear, sizeof rear, "[ guard ]");
    int at = error->offset < 0 ? n - 2 : (uint64_t)error->offset >= block->size ? n + m + 1
           : n + 1 + (int)((uint64_t)(m - 3) * (uint64_t)error->offset / block->size);
    if (!model->records->anchor.front_guard)    /* the ellipsis is three bytes and one column */
        at -= error->offset < 0 ? 0 : 2;
    fprintf(page->out, "    %s%s%s  at 0x%llx\n    %*s", front, middle, rear, (unsigned long long)block->address, at, "");
    page_colour(page, PAGE_ERROR);
    fputc('^', page->out);
    page_colour(page, PAGE_PLAIN);
    fprintf(page->out, " offset %lld", (long long)error->offset);
    if (error->size != RECORD_UNKNOWN && error->size)
        fprintf(page->out, ", %llu byte%s", (unsigned long long)error->size, error->size == 1 ? "" : "s");
    fputc('\n', page->out);
}

static void picture(const struct page *page, const struct model *model, const struct model_error *error)
{
    const struct record_finding *raw = &error->raw;
    if (!error->block || error->kind == RECORD_KIND_ALLOC_DEALLOC_MISMATCH || error->kind == RECORD_KIND_SIZED_DELETE_MISMATCH
        || error->kind == RECORD_KIND_DOUBLE_FREE)
        return;
    fputs("  the block and its guards:\n", page->out);
    draw_block(page, model, error);
    for (size_t at = 0; at < raw->damage_bytes; at += 16)
        hex_row(page, raw, at, raw->damage_bytes - at < 16 ? raw->damage_bytes - at : 16);
    if (raw->damage_bytes && raw->expected_word)
        fprintf(page->out, "    the word should be 0x%016llx\n", (unsigned long long)raw->expected_word);
    else if (raw->damage_bytes)
        fprintf(page->out, "    each byte marked ^^ should be %02x\n", raw->expected);
    if (raw->damage_bytes && error->size != RECORD_UNKNOWN && error->size > raw->damage_bytes)
        fprintf(page->out, "    (the first %u bytes of %llu)\n", raw->damage_bytes, (unsigned long long)error->size);
}

/* ---- stacks ---- */

static void headed_stack(const struct page *page, const char *head, const struct model_thread *thread, const struct stack *stack)
{
    fprintf(page->out, "  %s by ", head);
    page_thread(page, thread);
    fputs(":\n", page->out);
    page_stack(page, stack);
}

static void created(const struct page *page, const struct model_thread *thread)
{
    if (!thread || !thread->created.n)
        return;
    fputs("  ", page->out);
    page_thread(page, thread);
    fprintf(page->out, " was started by thread %u:\n", thread->creator);
    page_stack(page, &thread->created);
}

static void stacks(const struct page *page, const struct model_error *error)
{
    const struct model_block *block = error->block;
    const char *head = error->detected == RECORD_AT_ACCESS ? "the access, made"
                     : error->detected == RECORD_AT_CALL ? "the call, made" : "found";
    bool late = found_late(error);
    if (!late && error->stack.n)
        headed_stack(page, head, error->thread, &error->stack);
    if (block && block->freed && !late)
        headed_stack(page, "the block was freed", block->free_thread, &block->free_stack);
    if (block)
        headed_stack(page, "the block was allocated", block->alloc_thread, &block->alloc_stack);
    if (block && block->freed && late)
        headed_stack(page, "the block was freed", block->free_thread, &block->free_stack);
    if (late && error->stack.n)
        headed_stack(page, head, error->thread, &error->stack);
    if (!late)
        created(page, error->thread);
    else if (block)
        created(page, block->alloc_thread);
}

void render_text_error(const struct model *model, const struct model_error *error, const struct render_options *options, FILE *out)
{
    struct page paper = {out, options}, *page = &paper;
    bool late = found_late(error);
    const struct stack *first = late && error->block ? &error->block->alloc_stack : &error->stack;
    const struct frame *guilty = frames_guilty(first);
    page_colour(page, error->severity == RECORD_SEVERITY_ERROR ? PAGE_ERROR : PAGE_WARNING);
    fprintf(out, "midden: %s: %s: ", error->severity_name, error->kind_name);
    page_text(page, error->message);
    page_colour(page, PAGE_PLAIN);
    fputc('\n', out);
    if (guilty) {
        fputs(late && error->block ? "  block from " : "  at ", out);
        page_place(page, guilty);
        if (!late && error->thread && (error->thread->id != 1 || model->n_threads > 1)) {
            fputs(", by ", out);
            page_thread(page, error->thread);
        }
        fputc('\n', out);
        page_source(page, guilty);
    }
    stacks(page, error);
    picture(page, model, error);
    if (late && error->block && error->block->site)
        fprintf(out, "  hint: midden run --guard-site=%016llx%s … puts these blocks against page guards, to catch it in the act\n",
                (unsigned long long)error->block->site, error->kind == RECORD_KIND_HEAP_BUFFER_UNDERFLOW ? "-low" : "");
    if (error->count > 1)
        fprintf(out, "  it happened %u times\n", error->count);
    if (error->baseline)
        fputs("  known from the baseline\n", out);
    else if (error->growth)
        fprintf(out, "  %s\n", error->growth);
    if (model->options.gen_suppressions)
        render_error_suppression(error, out);
    fputc('\n', out);
}
