/* The text renderer's paper: see page.h. */
#include "page.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source.h"

bool page_wants_colour(uint64_t choice, int place)
{
    enum { AUTO, ALWAYS };
    const char *terminal = getenv("TERM"), *never = getenv("NO_COLOR");
    if (choice != AUTO)
        return choice == ALWAYS;
    return isatty(place) && !(never && never[0]) && !(terminal && strcmp(terminal, "dumb") == 0);
}

void page_colour(const struct page *page, enum page_colour colour)
{
    static const char *const codes[] = {
        [PAGE_PLAIN] = "\033[0m", [PAGE_BOLD] = "\033[1m", [PAGE_ERROR] = "\033[1;31m",
        [PAGE_WARNING] = "\033[1;33m", [PAGE_GOOD] = "\033[1;32m", [PAGE_DIM] = "\033[2m",
    };
    if (page->options->colour)
        fputs(codes[colour], page->out);
}

void page_text(const struct page *page, const char *text)
{
    render_escaped(text, strlen(text), page->out);
}

const char *page_digits(char buffer[PAGE_DIGITS], uint64_t number)
{
    char *at = buffer + PAGE_DIGITS;
    unsigned n = 0;
    *--at = '\0';
    do {
        if (n && n % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + number % 10);
        number /= 10;
        n++;
    } while (number);
    return at;
}

void page_number(const struct page *page, uint64_t number)
{
    char buffer[PAGE_DIGITS];
    fputs(page_digits(buffer, number), page->out);
}

void page_bytes(const struct page *page, uint64_t bytes)
{
    page_number(page, bytes);
    fputs(bytes == 1 ? " byte" : " bytes", page->out);
}

void page_bytes_in_blocks(const struct page *page, uint64_t bytes, uint64_t blocks)
{
    page_number(page, bytes);
    fputs(bytes == 1 ? " byte in " : " bytes in ", page->out);
    page_number(page, blocks);
    fputs(blocks == 1 ? " block" : " blocks", page->out);
}

const char *page_amount(char buffer[PAGE_AMOUNT], uint64_t bytes, uint64_t blocks)
{
    char of_bytes[PAGE_DIGITS], of_blocks[PAGE_DIGITS];
    snprintf(buffer, PAGE_AMOUNT, "%s byte%s in %s block%s", page_digits(of_bytes, bytes), bytes == 1 ? "" : "s",
             page_digits(of_blocks, blocks), blocks == 1 ? "" : "s");
    return buffer;
}

void page_thread(const struct page *page, const struct model_thread *thread)
{
    if (!thread) {
        fputs("an unknown thread", page->out);
        return;
    }
    fprintf(page->out, "thread %u", thread->id);
    if (thread->id == 1) {
        fputs(" (main)", page->out);
    } else if (*thread->name) {
        fputs(" (", page->out);
        page_text(page, thread->name);
        fputc(')', page->out);
    }
}

static void page_module(const struct page *page, const struct frame *frame)
{
    page_text(page, frames_basename(frame->module));
    fprintf(page->out, "+0x%llx", (unsigned long long)frame->offset);
}

void page_place(const struct page *page, const struct frame *frame)
{
    if (frame->file && frame->line) {
        page_text(page, frame->file);
        fprintf(page->out, ":%u", frame->line);
    } else if (frame->module) {
        page_module(page, frame);
    } else {
        fprintf(page->out, "0x%llx", (unsigned long long)frame->pc);
    }
    if (frame->function) {
        fputs(" in ", page->out);
        page_text(page, frame->function);
    }
}

void page_stack(const struct page *page, const struct stack *stack)
{
    const struct frame *guilty = frames_guilty(stack);
    size_t shown = frames_to_main(stack);      /* libc's start-up is the same in every stack (JSON has all of it) */
    for (size_t i = 0; i < shown; i++) {
        const struct frame *frame = stack->frames[i];
        if (frame == guilty)
            page_colour(page, PAGE_BOLD);
        fprintf(page->out, "%s #%zu ", frame == guilty ? "  >" : "   ", i);
        if (frame->function)
            page_text(page, frame->function);
        else
            fprintf(page->out, "0x%llx", (unsigned long long)frame->pc);
        if (frame->file && frame->line) {
            fputs(" at ", page->out);
            page_text(page, frame->file);
            fprintf(page->out, ":%u", frame->line);
        } else if (frame->module && !frame->entry) {
            fputs(" in ", page->out);
            page_module(page, frame);
        }
        if (frame->inlined)
            fputs(" (inlined)", page->out);
        if (frame == guilty)
            page_colour(page, PAGE_PLAIN);
        fputc('\n', page->out);
    }
    if (stack->truncated && shown == stack->n)
        fputs("    … (the stack goes on)\n", page->out);
    if (stack->n == 0 || (stack->n == 1 && stack->frames[0]->entry))
        fputs("    (its stack was not recorded)\n", page->out);
}

void page_source(const struct page *page, const struct frame *frame)
{
    enum { MOST = 21 };
    struct source_line lines[MOST];
    unsigned around = page->options->source_lines;
    if (!frame || !frame->file || !frame->line || !around)
        return;
    if (around > MOST / 2)
        around = MOST / 2;
    unsigned first = frame->line > around ? frame->line - around : 1;
    size_t n = source_read(frame->file, first, frame->line + around - first + 1, lines);
    for (size_t i = 0; i < n; i++) {
        bool here = first + i == frame->line;
        if (here)
            page_colour(page, PAGE_BOLD);
        fprintf(page->out, "  %c %5zu | ", here ? '>' : ' ', first + i);
        render_escaped(lines[i].text, lines[i].length, page->out);
        if (here)
            page_colour(page, PAGE_PLAIN);
        fputc('\n', page->out);
    }
}

void render_prefixed(const char *text, const char *prefix, FILE *out)
{
    bool rule = false;      /* no other line of a report is a lone brace */
    while (*text) {
        size_t n = strcspn(text, "\n");
        rule |= n == 1 && *text == '{';
        if (rule)
            fprintf(out, "%.*s\n", (int)n, text);
        else
            fprintf(out, "%s%.*s\n", prefix, (int)n, text);
        rule &= !(n == 1 && *text == '}');
        text += n + (text[n] == '\n');
    }
}
