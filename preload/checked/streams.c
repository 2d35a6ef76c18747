/* Input from streams: fread, fgets and their like, whose buffers may be smaller than what they are allowed to store.
 *
 * fread goes into a buffer of ours then (bounce.c), byte by byte in count, so that an element that came in part is stored as well; fgets
 * fills a block as far as it goes, and only what is still left of the line goes elsewhere (line.h). getline gets a fresh buffer from
 * libc; it takes the old one's place unless the line would have been put into the old one.
 *
 * The forms for _FORTIFY_SOURCE bring the buffer's size as the compiler knows it. Where that is too small as well, the call is left to
 * libc, which ends the program.
 *
 * Limits: between the two parts of a line another thread can read from the same stream. */
#include "bounce.h"

#include <limits.h>

#include "base/kernel.h"
#include "base/memory.h"

int ferror(void *stream);
int getchar(void);

/* ---- elements -------------------------------------------------------------------------------------------------------------- */

typedef size_t reader(void *, size_t, size_t, void *);

static size_t read_elements(const struct inspected *check, void *to, size_t size, size_t n, void *stream, reader *read)
{
    size_t bytes = units(n, size);
    struct bounce bounce;
    if (room_for(check, to) >= bytes || !bounce_take(&bounce, bytes))
        return read(to, size, n, stream);
    size_t got = read(bounce.start, 1, bytes, stream);
    bounce_give(check, &bounce, to, got);
    return got == bytes ? n : got / size;
}

#define FREAD(name)                                                                                                  \
    CALL_NAMED(name);                                                                                                \
    INTERPOSER(size_t, name, (void *to, size_t size, size_t n, void *stream))                                        \
    {                                                                                                                \
        if (LIKELY(!AIMED(to)))                                                                                       \
            return NEXT(name)(to, size, n, stream);                                                                  \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        return read_elements(&check, to, size, n, stream, NEXT_OF(name));                                            \
    }                                                                                                                \
    INTERPOSER(size_t, __##name##_chk, (void *to, size_t room, size_t size, size_t n, void *stream))                 \
    {                                                                                                                \
        if (LIKELY(!AIMED(to)) || units(n, size) > room)                                                              \
            return NEXT(__##name##_chk)(to, room, size, n, stream);                                                  \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        return read_elements(&check, to, size, n, stream, NEXT_OF(name));                                            \
    }
#define NEXT_OF(name) (&NEXT(name))

FREAD(fread)
FREAD(fread_unlocked)

/* ---- lines ------------------------------------------------------------------------------------------------------------------- */

#define CHARACTER char
#define FILL_LINE fill_line
#include "line.h"
#undef CHARACTER
#undef FILL_LINE
#define CHARACTER wchar_t
#define FILL_LINE fill_wide_line
#include "line.h"

#define FGETS(name, character, fill)                                                                                 \
    CALL_NAMED(name);                                                                                                \
    INTERPOSER(character *, name, (character *to, int n, void *stream))                                              \
    {                                                                                                                \
        if (LIKELY(!AIMED(to)))                                                                                       \
            return NEXT(name)(to, n, stream);                                                                        \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        size_t room = room_for(&check, to) / sizeof *to;                                                                      \
        return n < 1 || room >= (size_t)n ? NEXT(name)(to, n, stream)                                                \
                                          : fill(&check, to, (size_t)n, stream, room, NEXT_OF(name));                \
    }                                                                                                                \
    INTERPOSER(character *, __##name##_chk, (character *to, size_t known, int n, void *stream))                      \
    {                                                                                                                \
        if (LIKELY(!AIMED(to)))                                                                                       \
            return NEXT(__##name##_chk)(to, known, n, stream);                                                       \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        size_t room = room_for(&check, to) / sizeof *to;                                                                      \
        return n < 1 || room >= (size_t)n || known < (size_t)n ? NEXT(__##name##_chk)(to, known, n, stream)          \
                                                               : fill(&check, to, (size_t)n, stream, room, NEXT_OF(name)); \
    }

FGETS(fgets, char, fill_line)
FGETS(fgets_unlocked, char, fill_line)
FGETS(fgetws, wchar_t, fill_wide_line)
FGETS(fgetws_unlocked, wchar_t, fill_wide_line)

/* gets knows no bound at all: a character at a time. */
static char *get_line(const struct inspected *check, char *to)
{
    size_t room = room_for(check, to), at = 0;
    bool over = false;
    int c;
    while ((c = getchar()) >= 0) {
        char stored = c == '\n' ? '\0' : (char)c;
        if (at >= room && !over) {
            WRITE(to, at + 1);
            over = true;
        }
        to[at++] = stored;
        if (c == '\n')
            return to;
    }
    if (!at)
        return NULL;
    if (at >= room && !over)
        WRITE(to, at + 1);
    to[at] = '\0';
    return to;
}

CALL_NAMED(gets);
INTERPOSER(char *, gets, (char *to))
{
    if (LIKELY(!AIMED(to)))
        return NEXT(gets)(to);
    struct inspected check = {&call_gets, CAPTURE_HERE()};
    return get_line(&check, to);
}

INTERPOSER(char *, __gets_chk, (char *to, size_t room))
{
    struct inspected check = {&call_gets, CAPTURE_HERE()};
    return LIKELY(!AIMED(to)) || room_for(&check, to) >= room ? NEXT(__gets_chk)(to, room) : get_line(&check, to);
}

/* ---- lines of any length ------------------------------------------------------------------------------------------------------- */

/* The buffer that the program brings is smaller than it says (*n). */
static ssize_t get_delimited(const struct inspected *check, char **line, size_t *n, int delimiter, void *stream)
{
    char *fresh = NULL, *old = *line;
    size_t room = 0;
    ssize_t got = NEXT(getdelim)(&fresh, &room, delimiter, stream);
    if (got >= 0 && (size_t)got < *n) {
        bounce_spill(check, old, fresh, (size_t)got + 1);
    } else if (got >= 0) {
        *line = fresh;
        *n = room;
        fresh = old;
    }
    engine_free(fresh, RECORD_BY_FREE, ENGINE_NO_SIZE, 0, &check->from);
    return got;
}

#define GETLINE(name, parameters, arguments, delimiter)                                                              \
    CALL_NAMED(name);                                                                                                \
    INTERPOSER(ssize_t, name, parameters)                                                                            \
    {                                                                                                                \
        if (!engine_checks_calls() || !line || !n)                                                                   \
            return NEXT(name) arguments;                                                                             \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        to_be_written(&check, line, sizeof *line, NULL);                                                    \
        to_be_written(&check, n, sizeof *n, NULL);                                                          \
        return room_at(*line) >= *n ? NEXT(name) arguments : get_delimited(&check, line, n, (delimiter), stream);    \
    }

GETLINE(getdelim, (char **line, size_t *n, int delimiter, void *stream), (line, n, delimiter, stream), delimiter)
GETLINE(getline, (char **line, size_t *n, void *stream), (line, n, stream), '\n')
ANOTHER_NAME(__getdelim, getdelim);
