/* Formats of printf: what their conversions will touch. */
#ifndef MIDDEN_PRELOAD_CHECKED_FORMAT_H
#define MIDDEN_PRELOAD_CHECKED_FORMAT_H

#include "checked.h"

/* Checks the format itself, the strings of its %s conversions, and the places of its %n. `args` is left as it is. */
void format_checked(const struct inspected *check, const char *format, va_list args);
void wide_format_checked(const struct inspected *check, const wchar_t *format, va_list args);

/* Characters of a format, narrow or wide. What is no ASCII character reads as one that is no part of a conversion. */
struct format_text {
    const void *text;
    bool wide;
};
static inline unsigned format_at(const struct format_text *format, size_t i)
{
    uint32_t c = format->wide ? (uint32_t)((const wchar_t *)format->text)[i] : ((const unsigned char *)format->text)[i];
    return c < 0x80 ? c : 0x7f;
}

/* The index of the next % at or after `at`, or of the end. */
size_t format_next(const struct format_text *format, size_t at);

/* Reads a decimal number; *at moves behind it. -1: there is none. Numbers too large for an int are INT_MAX. */
int format_number(const struct format_text *format, size_t *at);

/* Length modifiers. */
enum format_length { FORMAT_INT, FORMAT_CHAR, FORMAT_SHORT, FORMAT_LONG, FORMAT_LONG_DOUBLE };
enum format_length format_length(const struct format_text *format, size_t *at);
size_t format_integer(enum format_length length);       /* bytes of an integer of that length */

#endif
