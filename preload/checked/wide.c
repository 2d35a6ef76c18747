/* Strings of wide characters bounded by their blocks: text.c for wchar_t. A block's room is counted in whole characters; a few bytes at
 * its end that make no whole one are not part of any string. */
#include "checked.h"

#define UNIT sizeof(wchar_t)

/* Characters that may be read at p; SIZE_MAX: nobody knows of a bound. */
static size_t wide_room(const wchar_t *p)
{
    size_t room = room_at(p);
    return room == SIZE_MAX ? room : room / UNIT;
}

static void past_end(const struct inspected *check, const wchar_t *p, size_t room)
{
    engine_check_range(check->call, RECORD_ACCESS_READ, p, (room + 1) * UNIT, &check->from);
}

size_t wide_length(const struct inspected *check, const wchar_t *p)
{
    size_t room = wide_room(p);
    if (room == SIZE_MAX)
        return NEXT(wcslen)(p);
    size_t length = NEXT(wcsnlen)(p, room);
    if (LIKELY(length < room))
        return length;
    past_end(check, p, room);
    return NEXT(wcslen)(p);
}

size_t wide_length_within(const struct inspected *check, const wchar_t *p, size_t n)
{
    size_t room = wide_room(p), length = NEXT(wcsnlen)(p, n < room ? n : room);
    if (LIKELY(n <= room || length < room))
        return length;
    past_end(check, p, room);
    return NEXT(wcsnlen)(p, n);
}

size_t wide_until(const struct inspected *check, const wchar_t *p, wchar_t c, size_t n)
{
    size_t room = wide_room(p), most = n < room ? n : room;
    const wchar_t *found = NEXT(wmemchr)(p, c, most);
    if (found)
        return (size_t)(found - p) + 1;
    if (n > room)
        past_end(check, p, room);
    return n;
}

void wide_until_end(const struct inspected *check, const wchar_t *p, wchar_t c)
{
    size_t room = wide_room(p);
    if (room == SIZE_MAX)
        return;
    for (size_t i = 0; i < room; i++)
        if (p[i] == c || !p[i])
            return;
    past_end(check, p, room);
}

void wides_compared(const struct inspected *check, const wchar_t *a, const wchar_t *b, size_t n,
                    int (*differ)(const wchar_t *, const wchar_t *, size_t))
{
    size_t room_a = wide_room(a), room_b = wide_room(b), room = room_a < room_b ? room_a : room_b;
    if (n <= room || room == SIZE_MAX)
        return;
    if (room && (differ(a, b, room) != 0 || NEXT(wmemchr)(a, 0, room)))
        return;
    if (room_a == room)
        past_end(check, a, room);
    if (room_b == room)
        past_end(check, b, room);
}

size_t wide_spanned(const struct inspected *check, const wchar_t *p, const wchar_t *set, bool in)
{
    size_t room = wide_room(p);
    if (room == SIZE_MAX)
        return SIZE_MAX;
    size_t members = NEXT(wcslen)(set);
    for (size_t i = 0; i < room; i++)
        if (!p[i] || (NEXT(wmemchr)(set, p[i], members) != NULL) != in)
            return i;
    past_end(check, p, room);
    return SIZE_MAX;
}

void wide_found(const struct inspected *check, const wchar_t *p, const wchar_t *sought)
{
    size_t length = wide_length(check, sought), room = wide_room(p);
    if (room == SIZE_MAX || !length)
        return;
    for (size_t i = 0; i < room; i++) {
        if (!p[i])
            return;
        if (p[i] == *sought && length <= room - i && NEXT(wmemcmp)(p + i, sought, length) == 0)
            return;
    }
    past_end(check, p, room);
}
