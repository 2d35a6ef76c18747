/* The text renderer's paper: escaping, colours, numbers for people, stacks and source excerpts. */
#ifndef MIDDEN_REPORT_PAGE_H
#define MIDDEN_REPORT_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "model.h"
#include "render.h"

enum page_colour { PAGE_PLAIN, PAGE_BOLD, PAGE_ERROR, PAGE_WARNING, PAGE_GOOD, PAGE_DIM };

struct page {
    FILE *out;
    const struct render_options *options;
};

/* What --colour (auto, always, never: 0, 1, 2) means for text that goes to descriptor `place`; NO_COLOR and TERM=dumb are heard. */
bool page_wants_colour(uint64_t choice, int place);

void page_colour(const struct page *page, enum page_colour colour);

/* Program text, escaped. */
void page_text(const struct page *page, const char *text);

/* A number with commas between thousands; the text lies in buffer, not always at its start. */
#define PAGE_DIGITS 32
const char *page_digits(char buffer[PAGE_DIGITS], uint64_t number);

/* The same for an expression that ends with the statement it stands in. */
#define PAGE_COUNT(number) page_digits((char[PAGE_DIGITS]){0}, number)

/* The same, written. */
void page_number(const struct page *page, uint64_t number);

/* "1 byte", "1,024 bytes" */
void page_bytes(const struct page *page, uint64_t bytes);

/* "1,024 bytes in 3 blocks" */
void page_bytes_in_blocks(const struct page *page, uint64_t bytes, uint64_t blocks);

/* The same as text. Several may be used in one expression: the caller names the buffer. */
#define PAGE_AMOUNT 96
const char *page_amount(char buffer[PAGE_AMOUNT], uint64_t bytes, uint64_t blocks);

/* "thread 2 (worker)"; "an unknown thread" */
void page_thread(const struct page *page, const struct model_thread *thread);

/* "/path/file.c:12 in function", without an end of line. */
void page_place(const struct page *page, const struct frame *frame);

/* One line per frame, the guilty one marked. */
void page_stack(const struct page *page, const struct stack *stack);

/* Of a leak record that only stacks hold: which threads and frames do, a line each. Nothing for others. */
void page_slots(const struct page *page, const struct model *model, const struct model_leak *leak);

/* Of a leak record whose blocks are entries of cycles: a line. Nothing for others. */
void page_cycles(const struct page *page, const struct leak_cycles *cycles);

/* The guilty frame's source line and its neighbours, where the file can be read. */
void page_source(const struct page *page, const struct frame *frame);

#endif
