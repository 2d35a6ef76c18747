/* Formats of scanf. Every argument is a pointer, so counting them is all there is to finding one. */
#include "scan.h"

#define BYTES_OF_CHARACTER 16           /* a wide character in any multibyte encoding */

/* Moves behind a %[ set; *at stands behind the bracket. */
static void skip_set(const struct format_text *format, size_t *at)
{
    if (format_at(format, *at) == '^')
        ++*at;
    if (format_at(format, *at) == ']')
        ++*at;
    unsigned c;
    while ((c = format_at(format, *at)) && c != ']')
        ++*at;
    if (c)
        ++*at;
}

static size_t bytes_of_float(enum format_length length)
{
    return length == FORMAT_LONG ? sizeof(double) : length == FORMAT_LONG_DOUBLE ? sizeof(long double) : sizeof(float);
}

/* One conversion, *at behind its %. false: it is not known. */
static bool conversion(const struct format_text *format, size_t *at, bool gnu_a, struct scan_plan *plan, unsigned *next)
{
    size_t ahead = *at;
    int position = format_number(format, &ahead), width;
    bool suppressed = false, allocates = false;
    unsigned c;
    if (position > 0 && format_at(format, ahead) == '$')
        *at = ahead + 1;
    else
        position = 0;
    while ((c = format_at(format, *at)) == '*' || c == '\'' || c == 'I') {
        suppressed |= c == '*';
        ++*at;
    }
    width = format_number(format, at);
    if (format_at(format, *at) == 'm') {
        allocates = true;
        ++*at;
    } else if (gnu_a && format_at(format, *at) == 'a'
               && ((c = format_at(format, *at + 1)) == 's' || c == 'S' || c == '[')) {
        allocates = true;
        ++*at;
    }
    enum format_length length = format_length(format, at);
    struct scan_target target = {.kind = SCAN_FIXED};
    bool wide = length == FORMAT_LONG || length == FORMAT_LONG_DOUBLE;
    switch (c = format_at(format, (*at)++)) {
    case '%':
        return true;
    case 'd': case 'i': case 'o': case 'u': case 'x': case 'X': case 'b':
        target.bytes = format_integer(length);
        break;
    case 'n':
        target.kind = SCAN_COUNT;
        target.bytes = format_integer(length);
        break;
    case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A':
        target.bytes = bytes_of_float(length);
        break;
    case 'p':
        target.bytes = sizeof(void *);
        break;
    case '[':
        skip_set(format, at);
        /* fallthrough */
    case 's': case 'S':
        target.kind = SCAN_TEXT;
        target.wide = wide || c == 'S';
        target.width = width > 0 ? (size_t)width : SIZE_MAX;
        break;
    case 'c': case 'C':
        target.kind = SCAN_CHARACTERS;
        target.wide = wide || c == 'C';
        target.width = width > 0 ? (size_t)width : 1;
        break;
    default:
        return false;
    }
    if (suppressed)
        return true;
    if (target.kind == SCAN_TEXT || target.kind == SCAN_CHARACTERS)
        target.bytes = target.wide ? sizeof(wchar_t) : format->wide ? BYTES_OF_CHARACTER : 1;
    if (allocates) {
        target.kind = SCAN_FIXED;
        target.bytes = sizeof(void *);
    }
    target.position = position > 0 ? (unsigned)position : ++*next;
    if (target.position > SCAN_MOST || plan->targets == SCAN_MOST)
        return false;
    if (target.position > plan->arguments)
        plan->arguments = target.position;
    plan->target[plan->targets++] = target;
    return true;
}

bool scan_read(const struct format_text *format, bool gnu_a, struct scan_plan *plan)
{
    unsigned next = 0;
    plan->arguments = plan->targets = 0;
    for (size_t at = 0; format_at(format, at = format_next(format, at));) {
        at++;
        if (!conversion(format, &at, gnu_a, plan, &next))
            return false;
    }
    return true;
}
