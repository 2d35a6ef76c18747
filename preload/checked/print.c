/* Formatted output.
 *
 * The strings that it prints are checked by the format (format.c). What goes into a heap block is measured first: the same output into
 * no room at all, whose result is its length. That is done only where the block has less room than the call is allowed to fill.
 * vswprintf cannot be measured so; it prints into a buffer of ours.
 *
 * A function with `…` is its own form with a va_list: nothing is lost but libc's function of that name, which does the same.
 *
 * Limits: an argument that is changed by its own printing (%n into a string that is printed later) is measured as it was. */
#include "bounce.h"
#include "format.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* The call is about to print to `to`, at most n bytes of it. */
static void measured(const struct inspected *check, char *to, size_t n, const char *format, va_list args)
{
    if (!AIMED(to) || room_for(check, to) >= n)
        return;
    va_list copy;
    va_copy(copy, args);
    int length = NEXT(vsnprintf)(NULL, 0, format, copy);
    va_end(copy);
    if (length >= 0)
        WRITE(to, (size_t)length < n ? (size_t)length + 1 : n);
}

#define FORMAT format_checked(check, format, args)
#define WIDE_FORMAT wide_format_checked(check, format, args)
#define SPACE(n) measured(check, to, (n), format, args)

/* Is made before libc's own: the call `name`, checked as `form` is. */
#define CHECK_FORM(name, form, arguments)                                                                            \
    if (engine_checks_calls()) {                                                                                     \
        struct inspected this_check = {&call_##name, CAPTURE_HERE()};                                                    \
        inspect_##form PASS_CHECK arguments;                                                                         \
    }

/* A form with a va_list. */
#define PRINTS(result, name, parameters, arguments, ...)                                                             \
    CALL_NAMED(name);                                                                                                \
    static __attribute__((noinline)) void inspect_##name WITH_CHECK parameters                                       \
    {                                                                                                                \
        __VA_ARGS__;                                                                                                 \
    }                                                                                                                \
    INTERPOSER(result, name, parameters)                                                                             \
    {                                                                                                                \
        CHECK_FORM(name, name, arguments)                                                                            \
        return NEXT(name) arguments;                                                                                 \
    }

/* The form with `…` of one with a va_list. keep, give: what is done with what it returns. */
#define DOTTED_FORM(result, name, next, parameters, arguments, keep, give)                                           \
    CALL_NAMED(name);                                                                                                \
    INTERPOSER(result, name, parameters)                                                                             \
    {                                                                                                                \
        va_list args;                                                                                                \
        va_start(args, format);                                                                                      \
        CHECK_FORM(name, next, arguments)                                                                            \
        keep NEXT(next) arguments;                                                                                   \
        va_end(args);                                                                                                \
        give;                                                                                                        \
    }
#define DOTTED(name, next, parameters, arguments) DOTTED_FORM(int, name, next, parameters, arguments, int printed =, return printed)
#define DOTTED_LOG(name, next, parameters, arguments) DOTTED_FORM(void, name, next, parameters, arguments, , )

/* ---- into memory ------------------------------------------------------------------------------------------------------------------- */

PRINTS(int, vsprintf, (char *to, const char *format, va_list args), (to, format, args), FORMAT; SPACE(SIZE_MAX))
PRINTS(int, vsnprintf, (char *to, size_t n, const char *format, va_list args), (to, n, format, args), FORMAT; SPACE(n))
PRINTS(int, __vsprintf_chk, (char *to, int flag, size_t room, const char *format, va_list args), (to, flag, room, format, args),
       FORMAT; SPACE(SIZE_MAX))
PRINTS(int, __vsnprintf_chk, (char *to, size_t n, int flag, size_t room, const char *format, va_list args),
       (to, n, flag, room, format, args), FORMAT; SPACE(n))
DOTTED(sprintf, vsprintf, (char *to, const char *format, ...), (to, format, args))
DOTTED(snprintf, vsnprintf, (char *to, size_t n, const char *format, ...), (to, n, format, args))
DOTTED(__sprintf_chk, __vsprintf_chk, (char *to, int flag, size_t room, const char *format, ...), (to, flag, room, format, args))
DOTTED(__snprintf_chk, __vsnprintf_chk, (char *to, size_t n, int flag, size_t room, const char *format, ...),
       (to, n, flag, room, format, args))

PRINTS(int, vasprintf, (char **to, const char *format, va_list args), (to, format, args), FORMAT; WRITE(to, sizeof *to))
PRINTS(int, __vasprintf_chk, (char **to, int flag, const char *format, va_list args), (to, flag, format, args),
       FORMAT; WRITE(to, sizeof *to))
DOTTED(asprintf, vasprintf, (char **to, const char *format, ...), (to, format, args))
DOTTED(__asprintf_chk, __vasprintf_chk, (char **to, int flag, const char *format, ...), (to, flag, format, args))

/* ---- to streams, descriptors and the log ----------------------------------------------------------------------------------------- */

PRINTS(int, vprintf, (const char *format, va_list args), (format, args), FORMAT)
PRINTS(int, __vprintf_chk, (int flag, const char *format, va_list args), (flag, format, args), FORMAT)
PRINTS(int, vfprintf, (void *stream, const char *format, va_list args), (stream, format, args), FORMAT)
PRINTS(int, __vfprintf_chk, (void *stream, int flag, const char *format, va_list args), (stream, flag, format, args), FORMAT)
PRINTS(int, vdprintf, (int fd, const char *format, va_list args), (fd, format, args), FORMAT)
PRINTS(int, __vdprintf_chk, (int fd, int flag, const char *format, va_list args), (fd, flag, format, args), FORMAT)
DOTTED(printf, vprintf, (const char *format, ...), (format, args))
DOTTED(__printf_chk, __vprintf_chk, (int flag, const char *format, ...), (flag, format, args))
DOTTED(fprintf, vfprintf, (void *stream, const char *format, ...), (stream, format, args))
DOTTED(__fprintf_chk, __vfprintf_chk, (void *stream, int flag, const char *format, ...), (stream, flag, format, args))
DOTTED(dprintf, vdprintf, (int fd, const char *format, ...), (fd, format, args))
DOTTED(__dprintf_chk, __vdprintf_chk, (int fd, int flag, const char *format, ...), (fd, flag, format, args))

PRINTS(void, vsyslog, (int priority, const char *format, va_list args), (priority, format, args), FORMAT)
PRINTS(void, __vsyslog_chk, (int priority, int flag, const char *format, va_list args), (priority, flag, format, args), FORMAT)

DOTTED_LOG(syslog, vsyslog, (int priority, const char *format, ...), (priority, format, args))
DOTTED_LOG(__syslog_chk, __vsyslog_chk, (int priority, int flag, const char *format, ...), (priority, flag, format, args))

/* ---- wide ---------------------------------------------------------------------------------------------------------------------------- */

PRINTS(int, vwprintf, (const wchar_t *format, va_list args), (format, args), WIDE_FORMAT)
PRINTS(int, __vwprintf_chk, (int flag, const wchar_t *format, va_list args), (flag, format, args), WIDE_FORMAT)
PRINTS(int, vfwprintf, (void *stream, const wchar_t *format, va_list args), (stream, format, args), WIDE_FORMAT)
PRINTS(int, __vfwprintf_chk, (void *stream, int flag, const wchar_t *format, va_list args), (stream, flag, format, args), WIDE_FORMAT)
DOTTED(wprintf, vwprintf, (const wchar_t *format, ...), (format, args))
DOTTED(__wprintf_chk, __vwprintf_chk, (int flag, const wchar_t *format, ...), (flag, format, args))
DOTTED(fwprintf, vfwprintf, (void *stream, const wchar_t *format, ...), (stream, format, args))
DOTTED(__fwprintf_chk, __vfwprintf_chk, (void *stream, int flag, const wchar_t *format, ...), (stream, flag, format, args))

/* Characters that vswprintf stored in `to`, its NUL included; where they did not fit, it filled all of it. */
static size_t stored_wide(const wchar_t *to, size_t n, int printed)
{
    if (printed >= 0)
        return (size_t)printed + 1;
    size_t length = NEXT(wcsnlen)(to, n);
    return length < n ? length + 1 : n;
}

static int print_wide(const struct inspected *check, wchar_t *to, size_t n, int flag, size_t known, const wchar_t *format, va_list args)
{
    struct bounce bounce;
    wide_format_checked(check, format, args);
    bool elsewhere = AIMED(to) && room_for(check, to) < WIDE(n) && bounce_take(&bounce, WIDE(n));
    wchar_t *where = elsewhere ? (void *)bounce.start : to;
    int printed = known == SIZE_MAX ? NEXT(vswprintf)(where, n, format, args) : NEXT(__vswprintf_chk)(where, n, flag, known, format, args);
    if (elsewhere)
        bounce_give(check, &bounce, to, n ? WIDE(stored_wide(where, n, printed)) : 0);
    return printed;
}

CALL_NAMED(vswprintf);
INTERPOSER(int, vswprintf, (wchar_t *to, size_t n, const wchar_t *format, va_list args))
{
    if (!engine_checks_calls())
        return NEXT(vswprintf)(to, n, format, args);
    struct inspected check = {&call_vswprintf, CAPTURE_HERE()};
    return print_wide(&check, to, n, 0, SIZE_MAX, format, args);
}

INTERPOSER(int, __vswprintf_chk, (wchar_t *to, size_t n, int flag, size_t known, const wchar_t *format, va_list args))
{
    if (!engine_checks_calls() || known < n)
        return NEXT(__vswprintf_chk)(to, n, flag, known, format, args);
    struct inspected check = {&call_vswprintf, CAPTURE_HERE()};
    return print_wide(&check, to, n, flag, known, format, args);
}

CALL_NAMED(swprintf);
INTERPOSER(int, swprintf, (wchar_t *to, size_t n, const wchar_t *format, ...))
{
    va_list args;
    va_start(args, format);
    struct inspected check = {&call_swprintf, CAPTURE_HERE()};
    int printed = engine_checks_calls() ? print_wide(&check, to, n, 0, SIZE_MAX, format, args) : NEXT(vswprintf)(to, n, format, args);
    va_end(args);
    return printed;
}

INTERPOSER(int, __swprintf_chk, (wchar_t *to, size_t n, int flag, size_t known, const wchar_t *format, ...))
{
    va_list args;
    va_start(args, format);
    struct inspected check = {&call_swprintf, CAPTURE_HERE()};
    int printed = engine_checks_calls() && known >= n ? print_wide(&check, to, n, flag, known, format, args)
                                                      : NEXT(__vswprintf_chk)(to, n, flag, known, format, args);
    va_end(args);
    return printed;
}
