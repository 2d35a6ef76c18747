/* Bounded formatting without malloc, locks or stdio, and the line to the user.
 *
 * print_format_v walks the format once; every byte goes through put(), which counts all and keeps what fits, so that the
 * result is the length the whole would have, as with snprintf. Numbers are written from their last digit into a small
 * array. An unknown conversion is copied as it stands: a wrong format shows, and reads no argument it should not.
 *
 * Limits: the conversions named in the header; no precision but that of %.*s and %.Ns; no locale. */
#include "base/print.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"

struct sink {
    char *text;
    size_t size;        /* bytes at text, its NUL included */
    size_t length;      /* bytes put so far, those that did not fit included */
};

static inline void put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->size)
        sink->text[sink->length] = c;
    sink->length++;
}

static void put_padded(struct sink *sink, const char *bytes, size_t n, size_t width, char pad)
{
    for (size_t i = n; i < width; i++)
        put(sink, pad);
    for (size_t i = 0; i < n; i++)
        put(sink, bytes[i]);
}

static void put_number(struct sink *sink, uint64_t value, bool negative, unsigned base, size_t width, bool zero)
{
    char digits[24];
    size_t first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    size_t n = sizeof digits - first;
    if (negative && zero) {
        put(sink, '-');
        put_padded(sink, digits + first, n, width ? width - 1 : 0, '0');
        return;
    }
    if (negative) {
        digits[--first] = '-';
        n++;
    }
    put_padded(sink, digits + first, n, width, zero ? '0' : ' ');
}

/* What stands between % and the letter of a conversion. */
struct conversion {
    size_t width;
    size_t precision;   /* SIZE_MAX: none */
    bool zero;
    bool wide;          /* l or z: 64 bits */
    char letter;
};

static const char *read_conversion(const char *at, struct conversion *out, int star)
{
    *out = (struct conversion){0, SIZE_MAX, false, false, 0};
    if (*at == '0') {
        out->zero = true;
        at++;
    }
    while (*at >= '0' && *at <= '9' && out->width < 4096)
        out->width = out->width * 10 + (size_t)(*at++ - '0');
    if (*at == '.') {
        at++;
        out->precision = 0;
        if (*at == '*') {
            out->precision = star < 0 ? SIZE_MAX : (size_t)star;
            at++;
        } else {
            while (*at >= '0' && *at <= '9' && out->precision < 1000000)
                out->precision = out->precision * 10 + (size_t)(*at++ - '0');
        }
    }
    while (*at == 'l' || *at == 'z') {
        out->wide = true;
        at++;
    }
    out->letter = *at;
    return at;
}

static bool has_star(const char *at)
{
    while ((*at >= '0' && *at <= '9'))
        at++;
    return at[0] == '.' && at[1] == '*';
}

size_t print_format_v(char *text, size_t size, const char *format, va_list args)
{
    struct sink sink = {text, size, 0};
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            put(&sink, *at);
            continue;
        }
        struct conversion c;
        const char *end = read_conversion(at + 1, &c, has_star(at + 1) ? va_arg(args, int) : 0);
        switch (c.letter) {
        case 's': {
            const char *string = va_arg(args, const char *);
            size_t n = 0;
            if (!string)
                string = "(null)";
            while (n < c.precision && string[n])
                n++;
            put_padded(&sink, string, n, c.width, ' ');
            break;
        }
        case 'c': {
            char letter = (char)va_arg(args, int);
            put_padded(&sink, &letter, 1, c.width, ' ');
            break;
        }
        case 'd': {
            int64_t value = c.wide ? va_arg(args, long) : va_arg(args, int);
            put_number(&sink, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0, 10, c.width, c.zero);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value = c.wide ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            put_number(&sink, value, false, c.letter == 'u' ? 10 : 16, c.width, c.zero);
            break;
        }
        case 'p':
            put(&sink, '0');
            put(&sink, 'x');
            put_number(&sink, (uintptr_t)va_arg(args, void *), false, 16, 0, false);
            break;
        case '%':
            put(&sink, '%');
            break;
        default:
            put(&sink, '%');
            continue;       /* what follows the % is copied as it stands */
        }
        at = end;
    }
    if (size > 0)
        text[sink.length < size ? sink.length : size - 1] = 0;
    return sink.length;
}

size_t print_format(char *text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t n = print_format_v(text, size, format, args);
    va_end(args);
    return n;
}

#define LINE_BYTES 1000

static int line_fd = 2;

void print_to(int fd)
{
    __atomic_store_n(&line_fd, fd, __ATOMIC_RELAXED);
}

void print_line(const char *format, ...)
{
    char line[LINE_BYTES + 1];
    unsigned pid = (unsigned)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    size_t n = print_format(line, sizeof line, "midden: %u: ", pid);
    va_list args;
    va_start(args, format);
    n += print_format_v(line + n, sizeof line - n, format, args);
    va_end(args);
    if (n > LINE_BYTES - 1)
        n = LINE_BYTES - 1;
    line[n++] = '\n';
    kernel.write(__atomic_load_n(&line_fd, __ATOMIC_RELAXED), line, n);
}
