/* The strdup family: copies of a string in a fresh block.
 *
 * Duty: strdup, strndup, wcsdup. libc's own would reach malloc, too; ours name the call that the program made and spare the
 * frame inside libc. In a program with a malloc of its own they are libc's, which calls that one. The length is found with our own loops: str* functions of libc will be checked calls themselves. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "base/memory.h"
#include "engine.h"
#include "export.h"
#include "real.h"

#undef strdup
#undef strndup

static void *copy(const void *bytes, size_t length, size_t terminator, enum record_allocator call, const struct capture_start *from)
{
    char *block = engine_alloc(length + terminator, 0, call, 0, from);
    if (!block) {
        errno = ENOMEM;
        return NULL;
    }
    memory_copy(block, bytes, length);
    memory_fill(block + length, 0, terminator);
    return block;
}

EXPORT char *strdup(const char *text)
{
    struct capture_start from = CAPTURE_HERE();
    if (__builtin_expect(real_heap_elsewhere, 0))
        return REAL(strdup)(text);
    return copy(text, memory_length(text), 1, RECORD_BY_STRDUP, &from);
}

EXPORT char *strndup(const char *text, size_t most)
{
    struct capture_start from = CAPTURE_HERE();
    if (__builtin_expect(real_heap_elsewhere, 0))
        return REAL(strndup)(text, most);
    size_t length = 0;
    while (length < most && text[length])
        length++;
    return copy(text, length, 1, RECORD_BY_STRNDUP, &from);
}

EXPORT wchar_t *wcsdup(const wchar_t *text)
{
    struct capture_start from = CAPTURE_HERE();
    if (__builtin_expect(real_heap_elsewhere, 0))
        return REAL(wcsdup)(text);
    size_t length = 0;
    while (text[length])
        length++;
    return copy(text, length * sizeof *text, sizeof *text, RECORD_BY_WCSDUP, &from);
}

ALSO_EXPORT(strdup, __strdup);
ALSO_EXPORT(strndup, __strndup);
