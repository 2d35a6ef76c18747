/* The strdup family: copies of a string in a fresh block.
 *
 * Duty: strdup, strndup, wcsdup. libc's own would reach malloc, too; ours name the call that the program made and spare the
 * frame inside libc. In a program with a malloc of its own they are libc's, which calls that one. They are checked calls as
 * well (checked/text.c): the string must end in its block. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "base/memory.h"
#include "checked/checked.h"
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

CALL_NAMED(strdup);
CALL_NAMED(strndup);
CALL_NAMED(wcsdup);

EXPORT char *strdup(const char *text)
{
    struct inspected check = {&call_strdup, CAPTURE_HERE()};
    if (__builtin_expect(real_heap_elsewhere, 0))
        return REAL(strdup)(text);
    return copy(text, text_length(&check, text), 1, RECORD_BY_STRDUP, &check.from);
}

EXPORT char *strndup(const char *text, size_t most)
{
    struct inspected check = {&call_strndup, CAPTURE_HERE()};
    if (__builtin_expect(real_heap_elsewhere, 0))
        return REAL(strndup)(text, most);
    return copy(text, text_length_within(&check, text, most), 1, RECORD_BY_STRNDUP, &check.from);
}

EXPORT wchar_t *wcsdup(const wchar_t *text)
{
    struct inspected check = {&call_wcsdup, CAPTURE_HERE()};
    if (__builtin_expect(real_heap_elsewhere, 0))
        return REAL(wcsdup)(text);
    return copy(text, wide_length(&check, text) * sizeof *text, sizeof *text, RECORD_BY_WCSDUP, &check.from);
}

ALSO_EXPORT(strdup, __strdup);
ALSO_EXPORT(strndup, __strndup);
