/* Formats of printf.
 *
 * 1. The format is gone through once. Each conversion notes the kinds of the arguments it takes, by their positions (given as `n$`, or
 *    in order), and whether one of them is a string or a place to be looked at.
 * 2. Only if there is one, the arguments are fetched in order, and
 * 3. the strings are checked: to their NUL, or as far as the precision goes.
 *
 * A conversion that is not known here (the program may have registered one of its own) ends the walk: what follows cannot be counted. What came
 * before is checked all the same.
 *
 * Limits: MOST arguments, the rest is not looked at. */
#include "format.h"

#include <limits.h>

#define MOST 48

enum kind { KIND_NONE, KIND_INT, KIND_WORD, KIND_DOUBLE, KIND_LONG_DOUBLE };
enum look { LOOK_TEXT, LOOK_WIDE, LOOK_PLACE };

struct looked {
    uint8_t look, position;     /* of the argument, from 1 */
    uint8_t by_argument;        /* position of the argument that is the precision; 0: none */
    uint8_t bytes;              /* LOOK_PLACE: of what is stored there */
    int precision;              /* -1: none */
};

struct walk {
    struct format_text format;
    size_t at;
    uint8_t kinds[MOST + 1];    /* of the arguments, by position */
    unsigned arguments, next, looks;
    struct looked looked[MOST];
};

/* ---- reading a format ----------------------------------------------------------------------------------------------------------- */

size_t format_next(const struct format_text *format, size_t at)
{
    if (!format->wide) {
        const char *text = format->text;
        return DISTANCE(NEXT(strchrnul)(text + at, '%'), text);
    }
    for (unsigned c; (c = format_at(format, at)) && c != '%';)
        at++;
    return at;
}

int format_number(const struct format_text *format, size_t *at)
{
    unsigned c;
    int value = -1;
    for (; (c = format_at(format, *at) - '0') < 10; ++*at) {
        value = value < 0 ? 0 : value;
        value = value > (INT_MAX - 9) / 10 ? INT_MAX : value * 10 + (int)c;
    }
    return value;
}

enum format_length format_length(const struct format_text *format, size_t *at)
{
    unsigned c = format_at(format, *at);
    switch (c) {
    case 'h':
        if (format_at(format, ++*at) != 'h')
            return FORMAT_SHORT;
        ++*at;
        return FORMAT_CHAR;
    case 'l':
        if (format_at(format, ++*at) != 'l')
            return FORMAT_LONG;
        ++*at;
        return FORMAT_LONG_DOUBLE;
    case 'q':
    case 'L':
        ++*at;
        return FORMAT_LONG_DOUBLE;
    case 'j':
    case 'z':
    case 'Z':
    case 't':
        ++*at;
        return FORMAT_LONG;
    default:
        return FORMAT_INT;
    }
}

size_t format_integer(enum format_length length)
{
    static const uint8_t bytes[] = {sizeof(int), sizeof(char), sizeof(short), sizeof(long), sizeof(long long)};
    return bytes[length];
}

/* ---- the conversions -------------------------------------------------------------------------------------------------------------- */

/* Notes an argument: at `position`, or the next one if that is 0. Its position; 0: too many. */
static unsigned takes(struct walk *walk, int position, enum kind kind)
{
    unsigned at = position > 0 ? (unsigned)position : ++walk->next;
    if (at > MOST)
        return 0;
    walk->kinds[at] = (uint8_t)kind;
    if (at > walk->arguments)
        walk->arguments = at;
    return at;
}

/* A `*`, its `n$` included, stands at walk->at. */
static unsigned takes_star(struct walk *walk)
{
    size_t at = ++walk->at;
    int position = format_number(&walk->format, &at);
    if (position > 0 && format_at(&walk->format, at) == '$')
        walk->at = at + 1;
    else
        position = 0;
    return takes(walk, position, KIND_INT);
}

static void look_at(struct walk *walk, enum look look, unsigned position, unsigned by_argument, int precision, size_t bytes)
{
    if (position && walk->looks < MOST)
        walk->looked[walk->looks++] =
            (struct looked){(uint8_t)look, (uint8_t)position, (uint8_t)by_argument, (uint8_t)bytes, precision};
}

/* One conversion, behind its %. false: the walk ends here. */
static bool conversion(struct walk *walk)
{
    const struct format_text *format = &walk->format;
    size_t at = walk->at;
    int position = format_number(format, &at), precision = -1;
    unsigned c, by_argument = 0;
    if (position > 0 && format_at(format, at) == '$')
        walk->at = at + 1;
    else
        position = 0;
    while ((c = format_at(format, walk->at)) == '-' || c == '+' || c == ' ' || c == '#' || c == '0' || c == '\'' || c == 'I')
        walk->at++;
    if (c == '*') {
        if (!takes_star(walk))
            return false;
    } else {
        format_number(format, &walk->at);
    }
    if (format_at(format, walk->at) == '.') {
        if (format_at(format, ++walk->at) == '*') {
            if (!(by_argument = takes_star(walk)))
                return false;
        } else {
            precision = format_number(format, &walk->at);
            precision = precision < 0 ? 0 : precision;
        }
    }
    enum format_length length = format_length(format, &walk->at);
    unsigned taken;
    switch (c = format_at(format, walk->at++)) {
    case '%':
    case 'm':
        return true;
    case 'd': case 'i': case 'o': case 'u': case 'x': case 'X': case 'b': case 'B':
        return takes(walk, position, length >= FORMAT_LONG ? KIND_WORD : KIND_INT) != 0;
    case 'c': case 'C':
        return takes(walk, position, KIND_INT) != 0;
    case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A':
        return takes(walk, position, length == FORMAT_LONG_DOUBLE ? KIND_LONG_DOUBLE : KIND_DOUBLE) != 0;
    case 'p':
        return takes(walk, position, KIND_WORD) != 0;
    case 's': case 'S':
        taken = takes(walk, position, KIND_WORD);
        look_at(walk, c == 'S' || length >= FORMAT_LONG ? LOOK_WIDE : LOOK_TEXT, taken, by_argument, precision, 0);
        return taken != 0;
    case 'n':
        taken = takes(walk, position, KIND_WORD);
        look_at(walk, LOOK_PLACE, taken, 0, -1, format_integer(length));
        return taken != 0;
    default:
        return false;
    }
}

/* ---- the arguments ------------------------------------------------------------------------------------------------------------------ */

static void fetch(const struct walk *walk, uintptr_t *values, va_list args)
{
    for (unsigned i = 1; i <= walk->arguments; i++) {
        values[i] = 0;
        switch ((enum kind)walk->kinds[i]) {
        case KIND_INT:
            values[i] = (uintptr_t)(intptr_t)va_arg(args, int);
            break;
        case KIND_DOUBLE:
            (void)va_arg(args, double);
            break;
        case KIND_LONG_DOUBLE:
            (void)va_arg(args, long double);
            break;
        case KIND_WORD:
        case KIND_NONE:     /* a position that no conversion names: undefined, glibc takes an int; a word is as wide in the list */
            values[i] = va_arg(args, uintptr_t);
            break;
        }
    }
}

/* A wide string of which as many characters are read as make `bytes` bytes in the locale's encoding; one that is not ASCII may make any
 * number up to that. */
static void wide_within_bytes(const struct inspected *check, const wchar_t *p, int bytes)
{
    size_t room = room_at(p) / sizeof *p, read = 0;
    int made = 0;
    while (made < bytes && read < room && p[read]) {
        made += (uint32_t)p[read] < 0x80 ? 1 : bytes;
        read++;
    }
    if (made < bytes && read == room)
        READ(p, (room + 1) * sizeof *p);
}

static void look(const struct inspected *check, const struct walk *walk, const struct looked *looked, const uintptr_t *values)
{
    const void *p = (const void *)values[looked->position];
    int precision = looked->by_argument ? (int)(intptr_t)values[looked->by_argument] : looked->precision;
    if (!NEAR(p))
        return;
    if (looked->look == LOOK_PLACE)
        WRITE(p, looked->bytes);
    else if (looked->look == LOOK_TEXT && precision < 0)
        ENDED(p);
    else if (looked->look == LOOK_TEXT)
        TEXT_WITHIN(p, (size_t)precision);
    else if (precision < 0)
        WENDED(p);
    else if (walk->format.wide)
        WTEXT_WITHIN(p, (size_t)precision);
    else
        wide_within_bytes(check, p, precision);
}

static void checked(const struct inspected *check, struct walk *walk, va_list args)
{
    while (format_at(&walk->format, walk->at = format_next(&walk->format, walk->at))) {
        walk->at++;
        if (!conversion(walk))
            break;
    }
    if (!walk->looks)
        return;
    uintptr_t values[MOST + 1];
    va_list copy;
    va_copy(copy, args);
    fetch(walk, values, copy);
    va_end(copy);
    for (unsigned i = 0; i < walk->looks; i++)
        look(check, walk, &walk->looked[i], values);
}

void format_checked(const struct inspected *check, const char *format, va_list args)
{
    struct walk walk;
    if (!format)
        return;
    ENDED(format);
    walk.format = (struct format_text){format, false};
    walk.at = walk.arguments = walk.next = walk.looks = 0;
    checked(check, &walk, args);
}

void wide_format_checked(const struct inspected *check, const wchar_t *format, va_list args)
{
    struct walk walk;
    if (!format)
        return;
    WENDED(format);
    walk.format = (struct format_text){format, true};
    walk.at = walk.arguments = walk.next = walk.looks = 0;
    checked(check, &walk, args);
}
