/* Numbers in text: atoi, strtol, strtod and their like stop at the first character that is no part of the number. They have to see that
 * one, so it must lie in the block.
 *
 * 1. What stands at the text, spaces and then all that might be a number, ends inside the block: nothing to find. That is nearly always.
 * 2. Else the rest of the block is copied with two digits behind it, and read there. Where that ends at the copied text's end or in the
 *    digits, the call would have gone on past the block.
 *
 * Limits: more than LONGEST characters of what might be a number are not looked at. */
#include <errno.h>

#include "checked.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define LONGEST 400

/* Whether the character goes on with a number, or might: letters for all bases, infinity and nan(…). */
static bool might_be_number(uint32_t c)
{
    uint32_t letter = c | 0x20;
    return c - '0' < 10 || letter - 'a' < 26 || c == '+' || c == '-' || c == '.' || c == ',' || c == '(' || c == ')' || c == '_' || c >= 0x80;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c - '\t' < 5;
}

/* Characters of the block's rest that are all spaces and perhaps a number; SIZE_MAX: it ends inside, or is too long. */
#define OPEN_END(type, unsigned_type, name)                     \
    static size_t name(const type *p)                           \
    {                                                           \
        size_t room = room_at(p), i = 0;                        \
        if (room == SIZE_MAX)                                   \
            return SIZE_MAX;                                    \
        room /= sizeof *p;                                      \
        while (i < room && is_space((unsigned_type)p[i]))       \
            i++;                                                \
        while (i < room && might_be_number((unsigned_type)p[i])) \
            i++;                                                \
        return i < room || room > LONGEST ? SIZE_MAX : room;    \
    }
OPEN_END(char, unsigned char, open_end_char)
OPEN_END(wchar_t, uint32_t, open_end_wchar_t)

#define NUMBER(result, name, parameters, arguments, text, type, parse)                                                \
    CALL_NAMED(name);                                                                                                \
    static __attribute__((noinline, cold)) void inspect_##name WITH_CHECK parameters                                 \
    {                                                                                                                \
        type copy[LONGEST + 3], *end = copy;                                                                         \
        size_t room = open_end_##type(text);                                                                         \
        if (LIKELY(room == SIZE_MAX))                                                                                \
            return;                                                                                                  \
        for (size_t i = 0; i < room; i++)                                                                            \
            copy[i] = text[i];                                                                                       \
        copy[room] = copy[room + 1] = '1';                                                                           \
        copy[room + 2] = 0;                                                                                          \
        int saved = errno;                                                                                           \
        (void)parse;                                                                                                 \
        errno = saved;                                                                                               \
        if (end >= copy + room)                                                                                      \
            READ(text, (room + 1) * sizeof *text);                                                                   \
    }                                                                                                                \
    INTERPOSER(result, name, parameters)                                                                             \
    {                                                                                                                \
        if (UNLIKELY(NEAR(text))) {                                                                                  \
            struct inspected this_check = {&call_##name, CAPTURE_HERE()};                                                \
            inspect_##name PASS_CHECK arguments;                                                                     \
        }                                                                                                            \
        return NEXT(name) arguments;                                                                                 \
    }
#define SAME(file, alias_name, name) SAME_##file(alias_name, name)
#define SAME_number(alias_name, name) ANOTHER_NAME(alias_name, name);
#define SAME_calls(alias_name, name)
#define SAME_input(alias_name, name)
#define SAME_token(alias_name, name)
#define SAME_vectors(alias_name, name)
#define SAME_streams(alias_name, name)

#include "checked.def"
