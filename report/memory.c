/* Memory of the command: checked allocation, and an arena.
 *
 * The arena hands out pieces of 64 KiB from their end towards their start; a request that does not fit gets a new piece (its own
 * one when it is large). Nothing is given back before arena_free. */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)64 << 10)

struct arena_piece {
    struct arena_piece *next;
    size_t pad;             /* keeps bytes[] 16-byte aligned */
    unsigned char bytes[];
};

static _Noreturn void out_of_memory(void)
{
    fputs("midden: out of memory\n", stderr);
    exit(125);
}

void *memory_new(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *memory_resize(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *memory_try(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}

void *memory_raw(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}

void *arena_new(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        out_of_memory();
    bytes = (bytes + 15) & ~(size_t)15;
    if (!arena->pieces || bytes > arena->left) {
        size_t room = bytes > PIECE_BYTES / 4 ? bytes : PIECE_BYTES;
        struct arena_piece *piece = memory_new(1, sizeof *piece + room);
        if (room == bytes && arena->pieces) {   /* a large one goes behind the piece in use */
            piece->next = arena->pieces->next;
            arena->pieces->next = piece;
            return piece->bytes;
        }
        piece->next = arena->pieces;
        arena->pieces = piece;
        arena->left = room;
    }
    arena->left -= bytes;
    return arena->pieces->bytes + arena->left;
}

char *arena_text(struct arena *arena, const char *text, size_t n)
{
    char *copy = arena_new(arena, n + 1);
    memcpy(copy, text, n);
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return arena_text(arena, "", 0);
    char *text = arena_new(arena, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void arena_free(struct arena *arena)
{
    for (struct arena_piece *piece = arena->pieces, *next; piece; piece = next) {
        next = piece->next;
        free(piece);
    }
    arena->pieces = NULL;
    arena->left = 0;
}
