/* Memory of the command itself.
 *
 * Two kinds: an arena for the many small things that live as long as a report (freed at once), and checked allocation. Small
 * requests that fail end the command (status 125, one line): nothing sensible can be done. Whoever asks for an amount that
 * depends on the image asks with memory_try() and copes with NULL. */
#ifndef MIDDEN_REPORT_MEMORY_H
#define MIDDEN_REPORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Never NULL. Freed with free(). Zeroed. */
void *memory_new(size_t count, size_t size);

/* Never NULL. realloc() of an array: the new part is not zeroed. */
void *memory_resize(void *old, size_t count, size_t size);

/* Zeroed; NULL: no memory, or the product is too large. Freed with free(). */
void *memory_try(size_t count, size_t size);

/* Not zeroed; NULL: no memory. Freed with free(). */
void *memory_raw(size_t bytes);

struct arena {
    struct arena_piece *pieces;
    size_t left;            /* bytes left in the newest piece */
};

/* 16-byte aligned, zeroed, never NULL; lives until arena_free. */
void *arena_new(struct arena *arena, size_t bytes);

/* A copy of text[n], NUL added. */
char *arena_text(struct arena *arena, const char *text, size_t n);
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

void arena_free(struct arena *arena);

#endif
